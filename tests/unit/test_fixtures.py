"""The tests themselves keep to what CONTRIBUTING asks of them."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.kit.repository import ROOT

TESTS = ROOT / "tests"
CONFTESTS = [*sorted(TESTS.rglob("conftest.py")), ROOT / "conftest.py"]


def functions(file: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]


def fixtures(file: Path) -> set[str]:
    return {
        function.name
        for function in functions(file)
        if any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)
    }


@pytest.mark.parametrize("conftest", CONFTESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_fixture_shadows_another(conftest: Path) -> None:
    """What a conftest offers is never replaced further down by something of the same name."""
    below = [file for file in TESTS.rglob("*.py") if file.is_relative_to(conftest.parent)]
    shadows = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in below
        if file != conftest
        for name in fixtures(file) & fixtures(conftest)
    }
    assert shadows == set()


@pytest.mark.parametrize("conftest", CONFTESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_conftest_has_fixtures_alone(conftest: Path) -> None:
    """Whatever a test could import lies in tests/kit."""
    names = {function.name for function in functions(conftest)} - fixtures(conftest)
    assert {name for name in names if not name.startswith("pytest_")} == set()


def test_every_folder_is_searched(pytestconfig: pytest.Config) -> None:
    """No folder of tests has a name that pytest passes over."""
    passed_over = pytestconfig.getini("norecursedirs")
    folders = [file.parent for file in TESTS.rglob("test_*.py")]
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert [name for name in names if any(fnmatch(name, one) for one in passed_over)] == []
