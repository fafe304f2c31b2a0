"""What integration and end-to-end tests share; each kind brings its own `running` lab."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import lab
from tests.kit.figures import Figures
from tests.kit.monorepo import Make, Monorepo, Override, create, environment


@pytest.fixture(scope="session")
def env(running: lab.Lab) -> Mapping[str, str]:
    """The environment of a machine with the lab, and with nothing of CI or of the developer."""
    return environment(running)


@pytest.fixture(scope="session")
def make(
    running: lab.Lab, env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Make:
    """Make a monorepo of one commit, with images of its own in the lab's registry."""

    def new(**options: str) -> Monorepo:
        namespace = f"t{secrets.token_hex(4)}"
        folder = tmp_path_factory.mktemp(namespace)
        return create(folder, running.registry, namespace, env, **options)

    return new


@pytest.fixture
def override(env: Mapping[str, str], tmp_path: Path) -> Override:
    """Make a file for `inv -f` of the machine's own, with these settings beside it."""

    def write(**settings: object) -> Path:
        machines = json.loads(Path(env["INVOKE_RUNTIME_CONFIG"]).read_text())["buildonce"]
        path = tmp_path / "override.json"
        path.write_text(json.dumps({"buildonce": {**machines, **settings}}))
        return path

    return write


@pytest.fixture
def nowhere(override: Override) -> Mapping[str, str]:
    """An environment in which nobody answers at the registry's address."""
    return {"INVOKE_RUNTIME_CONFIG": str(override(registry="127.0.0.1:9"))}


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Report what a test measured: shown at the end of the run, and kept in its JUnit report."""

    def report(what: str, **measured: object) -> None:
        line = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in measured.items())
        record_property(what, line)

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    lines = [f"{what}: {line}" for report in reports for what, line in report.user_properties]
    if lines:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(lines))
