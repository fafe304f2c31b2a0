"""What generated monorepos have in common: a clone with a remote, tasks and a registry."""

from __future__ import annotations

from demo.scratch import git

from .ground import Ground, Project

TASKS = "from buildonce.tasks import release_tasks\n\nnamespace = release_tasks(__file__)\n"
TABLE = """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{name}/{{service}}"
"""


def begun(ground: Ground, name: str) -> Project:
    """Return a new clone without services; its images lie in the registry under its name."""
    folder = ground.folder / name
    origin, clone = folder / "origin.git", folder / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(folder, "clone", "--quiet", f"file://{origin}", str(clone))
    settings = {"user.name": "bench", "user.email": "bench@localhost", "commit.gpgSign": "false"}
    for key, value in settings.items():
        git(clone, "config", key, value)
    (clone / "tasks.py").write_text(TASKS, encoding="utf-8")
    (clone / "pyproject.toml").write_text(TABLE.format(name=name), encoding="utf-8")
    return Project(ground, clone, f"{{registry}}/{name}/{{service}}")


def configure(project: Project, table: str) -> None:
    """Add to the project's configuration."""
    with (project.clone / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(table)
