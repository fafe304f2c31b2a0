"""Registries whose tags cannot be overwritten: a stand-in that answers as Amazon ECR does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.fault_proxy import FaultProxy, immutable_tags
from tests.kit.monorepo import SERVICES, Make, Monorepo
from tests.kit.releases import push


@dataclass(frozen=True)
class Strict:
    """A monorepo without pointers, behind a proxy that lets no tag be overwritten."""

    repo: Monorepo
    direct: Monorepo

    def digest(self, service: str, tag: str) -> str:
        """What another program says a tag names."""
        image = f"{self.direct.images(service)}:{tag}"
        return subprocess.run(
            ["crane", "digest", image], check=True, capture_output=True, text=True
        ).stdout.strip()


@pytest.fixture
def strict(make: Make, tmp_path: Path) -> Iterator[Strict]:
    direct = make()
    text = (direct.root / "pyproject.toml").read_text()
    table = "[tool.buildonce.environments.staging]\n"
    files = {"pyproject.toml": text.replace(table, f"{table}pointers = false\n")}
    direct.commit("Tags cannot move", files)
    with FaultProxy.before(direct.registry) as proxy:
        repo = direct.in_registry(proxy.address, tmp_path)
        with proxy.spoiling(immutable_tags, lasting=True):
            yield Strict(repo, direct)


def test_a_build_that_was_never_recorded_blocks_no_tag(strict: Strict) -> None:
    """Where a commit's tag has bytes that no record knows, the image gets a tag beside it."""
    repo, sha = strict.repo, strict.repo.sha()
    revision = repo.git("rev-parse", "HEAD")
    left = {service: push(strict.direct, service, revision).digest for service in SERVICES}
    said = repo.inv("build", "--sha")
    recorded = repo.record(f"releases/{sha}.json")["services"]
    for service in SERVICES:
        assert f"{service} is pushed as {sha}-2" in said.err
        assert strict.digest(service, sha) == left[service]
        assert strict.digest(service, f"{sha}-2") == recorded[service]["digest"]
    repo.inv("promote", "staging")
    repo.inv("verify", "--env", "staging")


def test_what_is_built_stays_built(strict: Strict) -> None:
    """Built, reused by the next commit and built again: no tag is written twice."""
    repo = strict.repo
    repo.inv("build", "--sha")
    first = repo.sha()
    repo.commit("Change", {"web/web.txt": "changed\n"})
    repo.inv("build", "--sha")
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("verify", "--env", "staging")
    assert strict.digest("jobs", repo.sha()) == strict.digest("jobs", first)
    assert {strict.digest(service, repo.sha()) for service in SERVICES}
