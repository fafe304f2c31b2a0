"""The locked requirements of both services."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = pytest.importorskip("tomllib", reason="the standard library reads TOML from 3.11 on")

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+) \\$", re.MULTILINE)


@pytest.mark.parametrize("service", ["api", "worker"])
def test_every_dependency_is_locked(service: str) -> None:
    """The lock holds what the service and the libs ask for, so that no resolver is needed."""
    locked = pinned(ROOT / service / "requirements.txt")
    for wanted in dependencies(service) + dependencies("libs"):
        if wanted.name != "beacon-libs":
            assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), wanted


@pytest.mark.parametrize(
    "lock", ["api/requirements.txt", "worker/requirements.txt", "libs/requirements-build.txt"]
)
def test_every_requirement_is_pinned_by_hash_and_no_index_is_named(lock: str) -> None:
    """The bytes are fixed, and where they come from is the machine's business."""
    text = (ROOT / lock).read_text()
    requirements = re.findall(r"^[^\s#].*(?:\n .*)*", text, re.MULTILINE)
    assert requirements
    assert all("==" in each and "--hash=sha256:" in each for each in requirements)
    assert "://" not in text


def pinned(lock: Path) -> dict[str, str]:
    """Return the locked versions by name."""
    return {
        canonicalize_name(each["name"]): each["version"]
        for each in PINNED.finditer(lock.read_text())
    }


def dependencies(distribution: str) -> list[Requirement]:
    """Return what a distribution of this repository asks for."""
    with (ROOT / distribution / "pyproject.toml").open("rb") as file:
        return [Requirement(each) for each in tomllib.load(file)["project"]["dependencies"]]
