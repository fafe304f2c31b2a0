"""`nox -s mutants -- 60 SEED`: so many random mutations, each with the tests run on it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.place import cache

from .mutations import Mutation, mutations

ROOT = Path(__file__).resolve().parents[1]
COPIED = [
    *("src", "tests", "lab", "docs", "demo", "bench", "mutants", "api", "worker", "libs"),
    *("deploy", ".github", ".ci", "requirements"),
]
SUITES = (("tests/unit",), ("tests/integration", "--numprocesses=2", "--dist=loadfile"))
LIMIT = 900
"""Seconds for one suite: a mutation that hangs is noticed."""


@dataclass(frozen=True)
class Workshop:
    """A copy of the repository in which the library may be broken."""

    root: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Workshop:
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for file in ROOT.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        return cls(folder)

    def noticed_by(self, mutation: Mutation) -> str:
        """The first test that fails with the mutation in place; empty where all pass."""
        file = self.root / mutation.path.relative_to(ROOT)
        original = file.read_text()
        file.write_text(mutation.source())
        try:
            return next(filter(None, map(self._failure, SUITES)), "")
        finally:
            file.write_text(original)

    def _failure(self, suite: tuple[str, ...]) -> str:
        pytest = [sys.executable, "-m", "pytest", "--exitfirst", "--quiet"]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "BUILDONCE_LAB_CACHE": str(cache()),
        }
        try:
            done = subprocess.run(
                [*pytest, *suite], cwd=self.root, env=environment, capture_output=True,
                timeout=LIMIT, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"{suite[0]}, which came to no end"
        if done.returncode == 0:
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        return failed[1] if failed else suite[0]


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    count, seed = [*given, *(60, 1)[len(given) :]]
    everything = [one for path in sorted((ROOT / "src").rglob("*.py")) for one in mutations(path)]
    chosen = random.Random(seed).sample(everything, count)
    survived = 0
    with tempfile.TemporaryDirectory(prefix="buildonce-mutants-") as folder:
        workshop = Workshop.in_folder(Path(folder) / "copy")
        for number, mutation in enumerate(chosen, 1):
            noticed_by = workshop.noticed_by(mutation)
            survived += not noticed_by
            place = f"{mutation.path.relative_to(ROOT)}:{mutation.line}"
            outcome = f"noticed by {noticed_by}" if noticed_by else "SURVIVED"
            print(f"{number:3} {place} {mutation.what}: {outcome}", flush=True)
    print(f"{count - survived} of {count} mutations were noticed (seed {seed})")


main()
