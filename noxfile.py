"""Reproducible environments for everything that is done with this project.

`nox` alone runs what must pass before merging; `nox --list` names the rest.
Another Python: `nox -s tests --force-python 3.13`.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

LOCKED = {
    "e2e": [
        *("requirements/tests.in", "pyproject.toml"),
        *("libs/requirements-build.in", "api/requirements.in", "worker/requirements.in"),
    ],
    "browser": ["pyproject.toml"],
    "docs": [],
    "lint": [],
    "mutants": ["requirements/tests.in", "pyproject.toml"],
    "release": ["pyproject.toml"],
    "tests": ["pyproject.toml"],
    "types": ["requirements/tests.in", "requirements/mutants.in", "pyproject.toml"],
}
"""What requirements/NAME.txt locks together with requirements/NAME.in."""

SIDE_BY_SIDE = ("--numprocesses=5", "--dist=loadfile", "--no-loadscope-reorder")
"""How pytest shares work that mostly waits, file by file in the order of collection."""

BEFORE_MERGING, LEFT_TO_THE_NIGHT = ("-m", "not nightly"), ("-m", "nightly")
"""Which tests: the marker's words in pyproject.toml say what is nightly."""

FAULTS = (
    "integration/test_properties.py",
    "integration/test_faults.py",
    "integration/test_git_faults.py",
    "e2e/test_engine_faults.py",
    "e2e/test_kubernetes_commands.py::test_a_kill_at_any_side_effect_leaves_one_whole_release",
)
"""Tests that take a sample of all the faults that there are."""

OURS = ["beacon-api", "beacon-libs", "beacon-worker"]
"""What is installed from its folder and so has no hash."""


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, Dockerfiles and workflows."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("hadolint", *map(str, sorted(Path().glob("*/Dockerfile"))))
    session.run(
        "zizmor", "--offline", "--no-progress", "--persona=auditor", ".github",
        *map(str, sorted(Path("docs/ci").glob("github-*.yml"))),
    )  # fmt: skip


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, and that the library uses nothing that is Linux' alone."""
    install(session, "types")
    session.run("mypy")
    for platform in ("darwin", "win32"):
        session.run("mypy", f"--platform={platform}", "src")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the unit tests: no engine, no registry, no network."""
    install(session, "tests", ".")
    session.run("pytest", "--numprocesses=auto", "tests/unit", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Run the library against a real git remote and a real registry: no engine."""
    install(session, "tests", ".")
    with_servers(session, *BEFORE_MERGING, "tests/integration")


@nox.session
def e2e(session: nox.Session) -> None:
    """Run the library, the workflow and Beacon against real parts, in the lab."""
    install(session, "e2e", ".", "libs", "api", "worker")
    with_servers(session, *BEFORE_MERGING, "tests/e2e", "libs", "api", "worker")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into .site; a link that leads nowhere fails."""
    install(session, "docs")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False)
def reference(session: nox.Session) -> None:
    """Write what the reference takes from the code into docs/."""
    install(session, "release", ".")
    session.run("python", "docs/site/reference.py")


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Look at the report in a real browser: Chromium or Chrome, installed beforehand."""
    install(session, "browser", ".")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the wheel and the source distribution; with a tag, only if that is the version."""
    install(session, "release")
    version = session.run("hatchling", "version", silent=True) or ""
    for tag in session.posargs:
        if tag != f"v{version.strip()}":
            session.error(f"the tag {tag} is not version {version.strip()} of pyproject.toml")
    session.run("hatchling", "build", "--clean")


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Test that very wheel: `nox -s wheel -- dist/*.whl`."""
    install(session, "tests")
    session.install("--no-deps", "--force-reinstall", *session.posargs)
    session.run("pytest", "--override-ini=pythonpath=.", "tests/unit")
    session.run("buildonce", "--help", silent=True)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """Run the further cases and the long stories, which no merge waits for."""
    install(session, "e2e", ".", "libs", "api", "worker")
    for tests in ("tests/integration", "tests/e2e"):
        with_servers(session, *LEFT_TO_THE_NIGHT, tests)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Spoil every answer and kill at every side effect: the suite takes a sample of each."""
    install(session, "e2e", ".")
    for tests in FAULTS:
        session.run("pytest", f"tests/{tests}", *session.posargs, env={"BUILDONCE_FAULTS": "all"})


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Break the library in random places and see which faults no test notices: `-- 60 SEED`."""
    install(session, "mutants", ".")
    session.run("python", "-m", "mutants", *session.posargs)


@nox.session(default=False)
def sha(session: nox.Session) -> None:
    """Print a commit's tag: `nox -s sha -- --sha HEAD~1`."""
    invoke(session)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build the services once: `nox -s build -- --sha`."""
    invoke(session)


@nox.session(default=False)
def promote(session: nox.Session) -> None:
    """Make an environment run a release: `nox -s promote -- staging`."""
    invoke(session)


@nox.session(default=False)
def rollback(session: nox.Session) -> None:
    """Go back to the release before: `nox -s rollback -- production`."""
    invoke(session)


@nox.session(default=False)
def verify(session: nox.Session) -> None:
    """Prove that the environments run the same bytes: `nox -s verify`."""
    invoke(session)


@nox.session(default=False)
def report(session: nox.Session) -> None:
    """Write what runs where, and how delivery goes: `nox -s report -- --output report`."""
    invoke(session)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Show it all, from a commit to a verified production."""
    install(session, "release", ".")
    session.run("python", "-m", "demo", *session.posargs)


@nox.session(default=False)
def pictures(session: nox.Session) -> None:
    """Draw the README's pictures from the demo; needs Chromium or Chrome."""
    install(session, "release", ".")
    session.run("python", "-m", "demo", "docs/pictures")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure it against the workflow that it replaces."""
    install(session, "release", ".")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Lock requirements/*.txt again: `nox -s lock -- --upgrade`."""
    session.install("uv")
    for name, together_with in LOCKED.items():
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.10"),
            *("--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"),
            *(f"--no-emit-package={project}" for project in OURS),
            *(f"requirements/{name}.in", *together_with, f"--output-file=requirements/{name}.txt"),
            *session.posargs,
            env={"UV_PYTHON_DOWNLOADS": "never"},
        )


def install(session: nox.Session, name: str, *projects: str) -> None:
    """Install exactly what requirements/NAME.txt locks, and beside it these folders' projects."""
    session.install("--require-hashes", f"--requirement=requirements/{name}.txt")
    if projects:
        editable = (f"--editable={project}" for project in projects)
        session.install("--no-deps", "--no-build-isolation", *editable)


def with_servers(session: nox.Session, *arguments: str) -> None:
    """Run tests that have registries, git remotes or engines, several files side by side."""
    session.run("pytest", *SIDE_BY_SIDE, *arguments, *session.posargs)


def invoke(session: nox.Session) -> None:
    """Run the session's namesake among the Invoke tasks, with the session's arguments."""
    install(session, "release", ".")
    session.run("inv", session.name, *session.posargs)
