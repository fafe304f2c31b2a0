"""The built wheel in a foreign monorepo: three lines, ten lines, and every task works."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import lab
from tests.kit.monorepo import NOTHING, TASKS, Monorepo
from tests.kit.repository import ROOT

CONFIGURATION = """\
[tool.buildonce]
registry = "registry.example.org/acme"

[tool.buildonce.services]
storefront = { context = "apps/storefront" }
mailer = { context = "apps/mailer", dockerfile = "apps/mailer/docker/Dockerfile" }

[tool.buildonce.environments]
test = {}
live = { after = "test" }
"""

FILES = {
    "tasks.py": TASKS,
    "pyproject.toml": CONFIGURATION,
    "apps/storefront/Dockerfile": "FROM python:3.13-slim\nCOPY index.html /srv/\n",
    "apps/storefront/index.html": "Welcome\n",
    "apps/mailer/docker/Dockerfile": "FROM python:3.13-slim\nCOPY templates /templates/\n",
    "apps/mailer/templates/hello.txt": "Hello\n",
}


@dataclass(frozen=True)
class Adopter(Monorepo):
    """A monorepo whose tools are those of a virtual environment with the wheel in it."""

    tools: Path = Path()

    def start(self, *arguments: str, env: Mapping[str, str] = NOTHING) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.tools / "inv"), *arguments], cwd=self.root, env={**self.env, **env},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh virtual environment with nothing but the wheel installed."""
    dist, environment = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={dist}")
    (wheel,) = dist.glob("*.whl")
    python = environment / "bin/python"
    run("uv", "venv", "--quiet", f"--python={sys.executable}", str(environment))
    run("uv", "pip", "install", "--quiet", f"--python={python}", str(wheel))
    return environment / "bin"


@pytest.fixture(scope="module")
def adopter(
    running: lab.Lab,
    env: Mapping[str, str],
    tools: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Adopter:
    """The foreign monorepo, on a machine whose registry is the lab's."""
    folder = tmp_path_factory.mktemp("adopter")
    namespace = f"acme-{secrets.token_hex(4)}"
    machine = json.loads(running.overrides())
    machine["buildonce"]["registry"] = f"{running.registry}/{namespace}"
    (folder / "machine.json").write_text(json.dumps(machine))
    repo = Adopter(
        root=folder / "clone",
        origin=folder / "origin.git",
        registry=running.registry,
        namespace=namespace,
        env={**env, "INVOKE_RUNTIME_CONFIG": str(folder / "machine.json")},
        services=("storefront", "mailer"),
        tools=tools,
    )
    repo.begin(FILES)
    return repo


@pytest.fixture(scope="module")
def live(adopter: Adopter) -> Adopter:
    """The foreign monorepo with a release in both of its environments."""
    adopter.inv("build", "--sha")
    adopter.inv("promote", "test")
    adopter.inv("promote", "live")
    return adopter


def test_it_takes_three_lines_and_ten() -> None:
    """What an adopter writes is as short as promised."""
    assert len([line for line in TASKS.splitlines() if line]) <= 3
    assert len([line for line in CONFIGURATION.splitlines() if line]) <= 10


def test_the_library_is_the_installed_one(adopter: Adopter) -> None:
    """The tests below run what the wheel holds, not this working tree."""
    where = "import buildonce; print(buildonce.__file__)"
    assert str(adopter.tools.parent) in run(str(adopter.tools / "python"), "-I", "-c", where)


def test_every_task_is_listed(adopter: Adopter) -> None:
    """`inv --list` shows the tasks, each with a sentence."""
    listed = re.findall(r"^  (\w+)  +\w", adopter.inv("--list").out, re.MULTILINE)
    tasks = {"build", "promote", "resume", "abort", "verify", "status", "sha", "doctor", "schema"}
    assert tasks <= set(listed)


def test_a_release_runs_in_both_environments(live: Adopter) -> None:
    """Built once, promoted twice, proven identical: in a layout that the library never saw."""
    assert live.digests("live") == live.digests("test") == live.digests(live.sha())
    assert live.images("storefront").file("live", "srv/index.html") == "Welcome\n"
    assert live.images("mailer").file("live", "templates/hello.txt") == "Hello\n"
    live.inv("verify")


@pytest.mark.parametrize(
    "command",
    [
        ("build", "--sha"),
        ("promote", "test", "--dry-run"),
        ("promote", "live"),
        ("resume", "test"),
        ("abort", "test"),
        ("verify", "--each", "--json"),
        ("status",),
        ("sha",),
        ("doctor",),
        ("schema",),
    ],
    ids=lambda command: command[0],
)
def test_each_task_works(live: Adopter, command: tuple[str, ...]) -> None:
    """No task needs more than the wheel and those two files; none of these has anything to do."""
    before = live.state()
    assert live.inv(*command).out
    assert live.state() == before


def test_a_variable_overrides_the_table(adopter: Adopter) -> None:
    """INVOKE_BUILDONCE_REGISTRY points one run at another registry."""
    variable = {"INVOKE_BUILDONCE_REGISTRY": "elsewhere.example/x"}
    done = without_the_machines_file(adopter).inv("build", "--dry-run", env=variable)
    assert "elsewhere.example/x/storefront:dev" in done.out


def test_a_file_overrides_the_variable(adopter: Adopter, tmp_path: Path) -> None:
    """`inv -f FILE` is the strongest: it wins over the variable and over the table."""
    (tmp_path / "other.yaml").write_text("buildonce: {registry: file.example}\n")
    done = adopter.inv(
        "-f", str(tmp_path / "other.yaml"), "build", "--dry-run",
        env={"INVOKE_BUILDONCE_REGISTRY": "variable.example"},
    )  # fmt: skip
    assert "file.example/mailer:dev" in done.out
    assert "variable.example" not in done.out


def test_the_projects_invoke_yaml_overrides_the_table(adopter: Adopter) -> None:
    """An invoke.yaml beside tasks.py wins over pyproject.toml."""
    settings = adopter.root / "invoke.yaml"
    settings.write_text("buildonce: {registry: yaml.example}\n")
    try:
        done = without_the_machines_file(adopter).inv("build", "--dry-run")
    finally:
        settings.unlink()
    assert "yaml.example/mailer:dev" in done.out


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("", "has no table [tool.buildonce]"),
        ("[tool.buildonce", "pyproject.toml:1 is not TOML"),
        ('[tool.buildonce]\nplatform = "linux"\n', "tool.buildonce.platform = 'linux'"),
    ],
)
def test_a_wrong_table_is_a_sentence(
    adopter: Adopter, tmp_path: Path, broken: str, named: str
) -> None:
    """Configuration that is missing or wrong ends with 2 and where to look, no traceback."""
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "pyproject.toml").write_text(broken)
    done = replace(adopter, root=tmp_path).inv("status", expect=2)
    assert named in done.err


@pytest.mark.parametrize("command", ["status", "verify", "changes production", "prune --dry-run"])
def test_a_machine_without_docker_sees_and_moves_pointers(
    released: Monorepo, tmp_path: Path, command: str
) -> None:
    """Where only pointers move, git is the only program that is needed."""
    for program in ("git", "sh"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    released.inv(*command.split(), env={"PATH": str(tmp_path)})


def without_the_machines_file(adopter: Adopter) -> Adopter:
    env = {name: adopter.env[name] for name in adopter.env if name != "INVOKE_RUNTIME_CONFIG"}
    return replace(adopter, env=env)


def run(*argv: str) -> str:
    """Run a program in this repository."""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
