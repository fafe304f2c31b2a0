"""The map of the library: imports point one way, and each tool has its one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/buildonce"

LAYERS = [
    {"errors", "durations", "parallel"},
    {"dockerfile", "refs", "remotes"},
    {"git", "records", "registry"},
    {"config"},
    {"bake", "branch", "builder", "engines", "environment", "release"},
    {"availability", "ledger", "steps"},
    {"events", "history", "hosts", "plan", "planfile", "pruning", "rules", "verify"},
    {"execute", "report"},
    {"app"},
    {"commands"},
    {"tasks", "sessions"},
]
"""From the ground up: a module imports from the layers below its own, and from its own package."""

ONLY_IN = {
    "invoke": {"tasks"},
    "nox": {"sessions"},
    "pydantic": {"config", "durations", "environment", "planfile", "records", "release"},
    "python_on_whales": {"builder", "engines"},
    "rich": {"report"},
    "tomli": {"config"},
    "urllib3": {"registry"},
}
"""Where each library may be imported."""

PURE = [
    *("bake", "dockerfile", "durations", "environment", "events", "plan", "pruning", "records"),
    *("refs", "release", "rules", "steps"),
]
"""What knows no file, no environment variable, no process and no clock."""

IMPURE = {"io", "os", "random", "secrets", "socket", "subprocess", "tempfile", "time", "uuid"}
CLOCKS = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Module:
    """A module of the library, by its path; `part` is what it is called in LAYERS."""

    path: Path

    @property
    def part(self) -> str:
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    def imports(self) -> Iterator[str]:
        """The dotted name of everything that is imported, wherever in the module."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{node.module}.{name.name}" for name in node.names)

    def parts_used(self) -> set[str]:
        """The other parts of the library that this module imports."""
        dotted = [name.split(".") for name in self.imports()]
        return {name[1] for name in dotted if name[0] == "buildonce"} - {self.part}


MODULES = [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]
every_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda module: str(module.path.relative_to(PACKAGE))
)


@every_module
def test_imports_point_one_way(module: Module) -> None:
    """A module uses what is below it in the map, never what is above or beside it."""
    if module.part == "__init__":
        assert module.parts_used() == set()
        return
    heights = [number for number, layer in enumerate(LAYERS) if module.part in layer]
    assert len(heights) == 1, f"give {module.part} its place in LAYERS"
    below = set().union(*LAYERS[: heights[0]])
    assert module.parts_used() <= below


@every_module
def test_each_library_has_its_place(module: Module) -> None:
    """Invoke is known to the tasks alone, the registry's protocol to the registry, and so on."""
    used = {name.partition(".")[0] for name in module.imports()}
    assert [name for name in used & set(ONLY_IN) if module.part not in ONLY_IN[name]] == []


@pytest.mark.parametrize("name", PURE)
def test_the_core_is_pure(name: str) -> None:
    """Plans, records and rules read no file, no environment variable and no clock."""
    module = Module(PACKAGE / f"{name}.py")
    assert {one.partition(".")[0] for one in module.imports()} & IMPURE == set()
    called = {node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    names = {one.attr for one in called if isinstance(one, ast.Attribute)}
    names |= {one.id for one in called if isinstance(one, ast.Name)}
    assert names & (CLOCKS | {"open", "read_text", "write_text"}) == set()


@every_module
def test_no_shell_is_ever_asked(module: Module) -> None:
    """Arguments are lists: nothing is handed to a shell, and nothing is evaluated."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            shells = [one for one in node.keywords if one.arg == "shell"]
            assert shells == []
            assert not (isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"})
    assert not {"os.system", "os.popen"} & set(module.imports())
