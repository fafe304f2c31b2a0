"""The map of the library: imports point one way, and each tool has its one place."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

from tests.kit.repository import ROOT

PACKAGE = ROOT / "src/buildonce"

ROOMS = [
    {"ci", "errors", "durations", "masking", "parallel"},
    {"refs"},
    {"git", "registry"},
    {"config"},
    {"ledger/records"},
    {"ledger", "build", "engines"},
    {"archive"},
    {"adopt"},
    {"plan"},
    {"targets"},
    {"verify", "announce"},
    {"report", "execute"},
    {"app"},
    {"doctor"},
    {"commands"},
    {"tasks", "__main__"},
]
"""From the ground up: a module imports from the rooms below its own, and from its own room.

A room is a module, a package, or a package inside a package that other rooms may not be above.
"""

INSIDE = {
    "config": [
        "fields",
        "environments",
        "services",
        "tables",
        "reading",
        "writing",
        "overrides",
        "committed",
        "__init__",
    ],
    "adopt": [
        *("survey", "builds", "contexts", "service", "dockerfiles", "bases", "compose"),
        *("mounts", "release", "decisions", "manifests", "skaffold", "clusters", "proposal"),
    ],
    "archive": ["record", "writing", "reading"],
    "announce": ["event", "command", "github"],
    "doctor": [
        "findings",
        "machine",
        "access",
        "inputs",
        "sources",
        "images",
        "ports",
        "deployments",
    ],
    "ledger": ["branch", "snapshot", "events", "releases", "log", "store"],
    "ledger/records": ["record", "release", "promotion", "environment", "deployment"],
    "build": [
        *("instructions", "dockerfile", "pins", "policy", "secrets", "inputs", "context"),
        *("bake", "buildx", "imagetools"),
    ],
    "plan": [
        *("steps", "pointers", "observation", "availability", "retention", "rules"),
        *("gates", "plans", "building", "file"),
    ],
    "registry": [
        *("credentials", "trust", "connections", "manifest", "transport", "api", "removal"),
        *("client", "__init__"),
    ],
    "execute": [
        *(
            "run",
            "ports",
            "lock",
            "sources",
            "repositories",
            "builds",
            "copies",
            "loading",
            "promotions",
            "prunings",
            "executor",
            "preview",
            "budget",
        ),
    ],
    "report": ["visible", "sentences", "grouping", "terminal", "markdown", "references"],
    "report/html": [
        *("markup", "words", "tables", "model", "metrics", "plots", "sections", "charts", "page"),
    ],
    "verify": ["evidence", "deployed", "former", "pushed", "gather", "compare", "independent"],
    "engines/compose": ["contents", "names", "ports", "watching", "containers", "engine"],
    "engines/kubernetes": [
        *("manifest", "kubectl", "pods", "images", "refusals", "rendering", "state"),
        *("ownership", "inventory", "access", "applying", "events", "logs", "workloads"),
        *("watching", "oneoff", "rollout", "evidence", "observer", "engine"),
    ],
    "engines/swarm": [
        *("logins", "objects", "cluster", "ingress", "tasks", "stackfile", "applying"),
        *("watching", "rollout", "oneoff", "jobs", "engine"),
    ],
}
"""Inside a room, from the ground up as well: a module imports only from those named before it."""

ONLY_IN = {
    "invoke": ["tasks"],
    "pydantic": ["config", "durations", "ledger/records", "plan/file"],
    "python_on_whales": ["build/buildx", "build/imagetools", "engines/docker"],
    "rich": ["report"],
    "tomli": ["config"],
    "urllib3": ["announce", "registry"],
    "yaml": ["adopt", "engines", "report/references"],
}
"""Where each library may be imported."""

PURE = ["durations", "refs", "ledger/records", "ledger/events", "ledger/releases"]
PURE += [
    f"build/{one}" for one in ("instructions", "dockerfile", "pins", "policy", "inputs", "bake")
]
PURE += [
    *("plan/steps", "plan/pointers", "plan/observation", "plan/availability", "plan/retention"),
    *("plan/rules", "plan/gates", "plan/plans", "plan/building", "verify", "report/sentences"),
    "announce/event",
    "report/references",
]
"""What knows no file, no environment variable, no process and no clock."""

IMPURE = {"io", "os", "random", "secrets", "socket", "subprocess", "tempfile", "time", "uuid"}
CLOCKS = {"now", "today", "utcnow"}


def within(path: str, folders: Iterable[str]) -> list[str]:
    """Those of the folders and modules that a module's path lies in, the innermost first."""
    found = [one for one in folders if path == one or path.startswith(f"{one}/")]
    return sorted(found, key=len, reverse=True)


@dataclass(frozen=True)
class Module:
    """A module of the library, named by its path without the ending: `plan/steps`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(PACKAGE).with_suffix("").as_posix()

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

    def used(self) -> set[str]:
        """The other modules of the library that this one imports, by name."""
        dotted = [name.split(".")[1:] for name in self.imports() if name.startswith("buildonce.")]
        return {_module(parts) for parts in dotted} - {self.name}


def _module(parts: list[str]) -> str:
    """The module that a dotted name leads to: itself, or what it is defined in."""
    for end in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:end])
        if path.with_suffix(".py").exists():
            return PurePosixPath(*parts[:end]).as_posix()
        if path.is_dir():
            return PurePosixPath(*parts[:end], "__init__").as_posix()
    return "__init__"


def room(name: str) -> int:
    """How high a module's room lies."""
    rooms = {one: height for height, level in enumerate(ROOMS) for one in level}
    found = within(name, rooms)
    assert found, f"give {name} its place in ROOMS"
    return rooms[found[0]]


MODULES = [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


@every_module
def test_imports_point_down(module: Module) -> None:
    """A module uses the rooms below its own, never one above or beside it."""
    if module.name == "__init__":
        assert module.used() == set()
        return
    height = room(module.name)
    mine = within(module.name, {one for level in ROOMS for one in level})[0]
    assert [one for one in module.used() if room(one) >= height and not within(one, [mine])] == []


@every_module
def test_imports_point_down_inside_a_room(module: Module) -> None:
    """The modules of one room have an order, too."""
    for folder in within(module.name, INSIDE)[:1]:
        order = [f"{folder}/{one}" for one in INSIDE[folder]]
        if module.name not in order:
            assert module.name == f"{folder}/__init__", f"give {module.name} its place in INSIDE"
            continue
        below = order[: order.index(module.name)]
        assert {one for one in module.used() if one in order} <= set(below)


@every_module
def test_each_library_has_its_place(module: Module) -> None:
    """Invoke is known to the tasks alone, the registry's protocol to the registry, and so on."""
    used = {name.partition(".")[0] for name in module.imports()}
    assert [one for one in used & set(ONLY_IN) if not within(module.name, ONLY_IN[one])] == []


@pytest.mark.parametrize(
    "module", [one for one in MODULES if within(one.name, PURE)], ids=lambda one: one.name
)
def test_the_core_is_pure(module: Module) -> None:
    """Plans, records and rules read no file, no environment variable and no clock."""
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
