"""Two services whose Dockerfiles have what most have: a WORKDIR, and packages of three kinds."""

from __future__ import annotations

from pathlib import Path

from bench.floor import BASE
from bench.generated import begun, configure
from bench.ground import Ground, Project

SERVICES = ("shop", "mail")

SERVICE = """
[tool.buildonce.services.{name}]
inputs = ["{name}"]
"""

FILL = """\
import os, pathlib, sys
folder, files, size = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(files):
    file = folder / str(number // 100) / f"{number}.js"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size // 2) * 2)
"""
"""Stands for npm, of which only the many small files are to be had: it writes them."""

REQUIREMENTS = "requests\njinja2\nsqlalchemy\n"

DOCKERFILE = f"""\
FROM {BASE}
WORKDIR /app
RUN apt-get update -q && apt-get install -q -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY {{name}}/requirements.txt .
RUN pip install --no-cache-dir --root-user-action=ignore --requirement=requirements.txt
COPY {{name}}/fill.py {{name}}/modules.lock ./
RUN python3 fill.py modules 4000 5000
COPY {{name}}/src src
"""
"""System packages, Python's packages, 20 MB of modules in 4000 files, then the source."""


def make(ground: Ground) -> Project:
    """Write the monorepo and commit it."""
    project = begun(ground, "layers")
    for name in SERVICES:
        configure(project, SERVICE.format(name=name))
        _write_service(project.clone / name)
    project.commit("Begin")
    return project


def _write_service(folder: Path) -> None:
    (folder / "src").mkdir(parents=True)
    (folder / "src/app.py").write_text("print()\n", encoding="utf-8")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(name=folder.name), encoding="utf-8")
    (folder / "requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    (folder / "modules.lock").write_text("locked\n", encoding="utf-8")
    (folder / "fill.py").write_text(FILL, encoding="utf-8")
