"""`nox -s mutants -- 60 SEED`: so many random mutations, each with the tests that reach it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coverage import CoverageData

import lab
from lab.place import cache

from .mutations import Mutation, mutations

ROOT = Path(__file__).resolve().parents[1]
COPIED = [
    *("src", "tests", "lab", "docs", "demo", "bench", "mutants", "api", "worker", "libs"),
    *("deploy", ".github", ".ci", "requirements"),
]
SUITES = ("tests/unit", "tests/integration")
SIDE_BY_SIDE = ("--numprocesses=4", "--dist=loadfile")
LIMIT = 900
"""Seconds for the tests of one mutation: one that hangs is noticed."""


@dataclass(frozen=True)
class Reach:
    """Which tests run a line of the library, as coverage.py measured it."""

    data: CoverageData

    def tests(self, mutation: Mutation) -> Sequence[str] | None:
        """The tests that run these lines; None where they run as their module is imported."""
        by_line = self.data.contexts_by_lineno(str(mutation.path))
        contexts = {context for line in mutation.lines for context in by_line.get(line, [])}
        if "" in contexts:
            return None
        return sorted({context.rpartition("|")[0] for context in contexts})


@dataclass(frozen=True)
class Workshop:
    """A copy of the repository in which the library may be broken."""

    root: Path
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def in_folder(cls, folder: Path, state: Path) -> Workshop:
        """Make one whose tests have their lab in ``state``."""
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for file in ROOT.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        source = {"PYTHONPATH": str(folder / "src")}
        labs = {"BUILDONCE_LAB": str(state), "BUILDONCE_LAB_CACHE": str(cache())}
        return cls(folder, {**os.environ, **source, **labs})

    def mutations(self) -> list[Mutation]:
        """Every mutation of the library."""
        modules = sorted((self.root / "src").rglob("*.py"))
        return [mutation for path in modules for mutation in mutations(path)]

    def reach(self) -> Reach:
        """Run all tests on the sound library, which must pass, and see which lines each runs."""
        coverage = ("--cov=buildonce", "--cov-context=test", "--cov-report=")
        done = self._pytest(*SIDE_BY_SIDE, *coverage, *SUITES)
        if done.returncode:
            raise SystemExit(f"the tests fail without a mutation:\n{done.stdout}")
        data = CoverageData(str(self.root / ".coverage"))
        data.read()
        return Reach(data)

    def noticed_by(self, mutation: Mutation, reach: Reach) -> str:
        """The first test that fails with the mutation in place; empty where all pass.

        Last come the whole files of the tests that reach it: what a fixture of several tests
        has run counts as the first one's.
        """
        original = mutation.path.read_text()
        mutation.path.write_text(mutation.source())
        try:
            return self._failure(reach.tests(mutation))
        finally:
            mutation.path.write_text(original)

    def _failure(self, tests: Sequence[str] | None) -> str:
        if tests is None:
            return self._first_of([*SIDE_BY_SIDE, suite] for suite in SUITES)
        by_suite = [[test for test in tests if test.startswith(suite)] for suite in SUITES]
        files = sorted({test.partition("::")[0] for test in tests})
        return self._first_of([*by_suite, files])

    def _first_of(self, runs: Iterable[Sequence[str]]) -> str:
        return next(filter(None, map(self._first_failure, filter(None, runs))), "")

    def _first_failure(self, tests: Sequence[str]) -> str:
        try:
            done = self._pytest("--exitfirst", *tests, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return f"{tests[-1]}, which came to no end"
        if done.returncode == 0:
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        return failed[1] if failed else tests[-1]

    def _pytest(
        self, *arguments: str, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--quiet", *arguments],
            cwd=self.root, env=self.environment, capture_output=True, timeout=timeout, text=True,
        )  # fmt: skip


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    count, seed = [*given, *(60, 1)[len(given) :]]
    survived = 0
    with (
        tempfile.TemporaryDirectory(prefix="buildonce-mutants-") as folder,
        lab.guarded(state := Path(folder) / "lab"),
    ):
        workshop = Workshop.in_folder(Path(folder) / "copy", state)
        chosen = random.Random(seed).sample(workshop.mutations(), count)
        print("Seeing which tests run which lines ...", flush=True)
        reach = workshop.reach()
        for number, mutation in enumerate(chosen, 1):
            noticed_by = workshop.noticed_by(mutation, reach)
            survived += not noticed_by
            place = f"{mutation.path.relative_to(workshop.root)}:{mutation.lines[0]}"
            outcome = f"noticed by {noticed_by}" if noticed_by else "SURVIVED"
            print(f"{number:3} {place} {mutation.what}: {outcome}", flush=True)
    print(f"{count - survived} of {count} mutations were noticed (seed {seed})")


main()
