"""Anything, in any order, against a simple model of what should come of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from buildonce import parallel
from buildonce.commands.history import history
from buildonce.commands.promote import promote
from buildonce.commands.prune import prune
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.verify import verify
from buildonce.errors import BusyError, DifferenceError, PreconditionError
from buildonce.ledger.branch import LocalBranch
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Registry
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, Killed, app
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.nightly import IN_FULL
from tests.kit.releases import record_release

EXAMPLES, MANY, STEPS, COMMITS = 5, 40, 35, 5
BEFORE = {"staging": None, "production": "staging"}
KEEP_ONE = {"keep_releases": 1, "keep_for": "0s", "keep_rollbacks": 1}
OPENING, CLOSING = "write 0", "write 1"
STOPS = [
    f"{side} {what}"
    for side in ("before", "after")
    for what in (OPENING, "point 0", "point 1", CLOSING)
]

RECOVERIES = {True: resume, False: abort}

environments = some.sampled_from(list(BEFORE))
commits = some.integers(0, COMMITS * 4 - 1)
stops = some.sampled_from(STOPS)
picks = some.integers(0, len(BEFORE) - 1)


@contextmanager
def killed(stop: str) -> Iterator[None]:
    """Die before or after the n-th write of the ledger, or the n-th move of a pointer."""
    with (
        mock.patch.object(LocalBranch, "move", _dying(LocalBranch.move, "write", stop)),
        mock.patch.object(Registry, "point", _dying(Registry.point, "point", stop)),
    ):
        yield


def _dying(real: Callable[..., Any], what: str, stop: str) -> Callable[..., Any]:
    numbers = itertools.count()

    def call(*arguments: Any) -> Any:
        number = next(numbers)
        if stop == f"before {what} {number}":
            raise Killed
        result = real(*arguments)
        if stop == f"after {what} {number}":
            raise Killed
        return result

    return call


@dataclass
class Place:
    """What the model knows of an environment."""

    runs: str | None = None
    coming: str | None = None
    kind: str = ""
    good: list[str] = field(default_factory=list)
    standing: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    in_sync: bool = True
    outcomes: list[str] = field(default_factory=list)

    def ways_back(self) -> list[str]:
        past = [sha for sha in self.good if sha in self.standing - self.blocked]
        return [sha for sha in past if sha != self.runs]

    def done(self) -> None:
        sha, left = self.coming, self.runs
        assert sha is not None
        if self.kind == "rollback" and left is not None and left != sha:
            self.blocked.add(left)
        self.blocked.discard(sha)
        self.standing.add(sha)
        self.good = [sha, *(one for one in self.good if one != sha)]
        self.runs = sha
        self._ended("done")

    def put_back(self) -> None:
        self._ended("aborted")

    def _ended(self, outcome: str) -> None:
        self.coming, self.in_sync = None, True
        self.outcomes.append(outcome)


class Ground:
    """A repository without a remote, and commits to build releases from."""

    def __init__(self, repo: Monorepo) -> None:
        for number in range(COMMITS):
            repo.commit(f"Change {number}", {"web/web.txt": f"{number}\n"})
        listed = repo.git("rev-list", "--reverse", f"--max-count={COMMITS}", "HEAD")
        self.revisions = listed.splitlines()
        repo.git("remote", "remove", "origin")
        self._repo = replace(repo, origin=repo.root)
        self._number = itertools.count()
        self.counts: Counter[str] = Counter()

    def fresh(self) -> Monorepo:
        """The repository with an empty ledger, and places in the registry that are empty."""
        self._repo.git("update-ref", "-d", f"refs/heads/{LEDGER}")
        namespace = f"{self._repo.namespace}/{next(self._number)}"
        return replace(self._repo, namespace=namespace)

    def counted(self, what: str) -> None:
        self.counts[what] += 1


class Pipeline(RuleBasedStateMachine):
    """Commands in any order. Each is compared with what the model says that it must do."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.repo, self.revisions = ground.fresh(), ground.revisions
        self.shas = [revision[:12] for revision in self.revisions]
        self.counted = ground.counted
        self.places = {name: Place() for name in BEFORE}
        self.built: dict[str, dict[str, Digest]] = {}

    @initialize()
    def begin_with_releases_in_staging(self) -> None:
        for commit in range(3):
            self.build(commit)
            self.promote("staging", commit, "")

    @rule(commit=some.integers(0, COMMITS - 1))
    def build(self, commit: int) -> None:
        release = record_release(self.repo, self.revisions[commit])
        self.built[release.sha] = release.digests()
        self.counted("build")

    @rule(name=environments, commit=commits, reason=some.sampled_from(["", "because"]))
    def promote(self, name: str, commit: int, reason: str) -> None:
        sha = self.sha(commit)
        expected = self.refusal(name, sha, reason)
        self.attempt(
            "promotion",
            name,
            sha,
            expected,
            lambda: promote(
                self.app(), name, sha, reason=reason, overrides=("forward",) if reason else ()
            ),
        )

    @rule(name=environments)
    def roll_back(self, name: str) -> None:
        ways = self.places[name].ways_back()
        busy = BusyError if self.places[name].coming else None
        expected = busy if ways else PreconditionError
        self.attempt(
            "rollback",
            name,
            ways[0] if ways else "",
            expected,
            lambda: rollback(self.app(), name, ways[0] if ways else None, ""),
        )

    @rule(name=environments, commit=commits, stop=stops)
    def promote_and_die(self, name: str, commit: int, stop: str) -> None:
        sha = self.sha(commit)
        if self.refusal(name, sha, "because") is None and not self.no_op(name, sha):
            self.die(
                "promotion",
                name,
                sha,
                stop,
                lambda: promote(self.app(), name, sha, **ANY_AGE),
            )

    @rule(name=environments, stop=stops)
    def roll_back_and_die(self, name: str, stop: str) -> None:
        ways = self.places[name].ways_back()
        if ways and self.places[name].coming is None:
            self.die(
                "rollback", name, ways[0], stop, lambda: rollback(self.app(), name, ways[0], "")
            )

    @precondition(lambda self: self.open())
    @rule(one=picks, finish=some.booleans())
    def recover(self, one: int, finish: bool) -> None:
        name = self.open()[one % len(self.open())]
        RECOVERIES[finish](self.app(), name)
        self.ended(name, finish)

    @precondition(lambda self: self.open())
    @rule(one=picks, finish=some.booleans(), stop=stops)
    def recover_and_die(self, one: int, finish: bool, stop: str) -> None:
        name = self.open()[one % len(self.open())]
        with killed(stop):
            survived = self.survives(lambda: RECOVERIES[finish](self.app(), name))
        if survived or stop == f"after {CLOSING}":
            self.ended(name, finish)
        self.counted("killed recovery")

    @rule(name=environments, finish=some.booleans())
    def recover_nothing(self, name: str, finish: bool) -> None:
        if self.places[name].coming is None:
            RECOVERIES[finish](self.app(), name)

    @rule()
    def prune(self) -> None:
        prune(self.app())
        for sha in self.built.keys() - self.kept():
            del self.built[sha]
            for place in self.places.values():
                place.standing -= {sha} - place.blocked
            assert all(digest is None for digest in self.repo.digests(sha).values())
            self.counted("pruned release")

    @rule(name=environments, service=some.sampled_from(["web", "jobs"]), commit=commits)
    def tamper(self, name: str, service: str, commit: int) -> None:
        place, images = self.places[name], self.repo.images(service)
        sha = self.sha(commit)
        if place.runs is None or sha not in self.built or sha == place.runs:
            return
        images.put(name, images.require(self.built[sha][service]))
        place.in_sync = False
        self.counted("tampering")

    @rule(name=environments)
    def verify(self, name: str) -> None:
        place = self.places[name]
        sound = place.runs is not None and place.coming is None and place.in_sync
        with self.refused(None if sound else DifferenceError):
            verify(self.app(), [name], each=True, as_json=False)

    @invariant()
    def records_and_pointers_are_the_models(self) -> None:
        snapshot = self.app().ledger.read()
        assert set(snapshot.names("releases")) == set(self.built)
        for name, place in self.places.items():
            record = snapshot.environment(name)
            assert record.release == place.runs
            assert (record.open.release if record.open else None) == place.coming
            if place.in_sync and place.coming is None:
                nothing = dict.fromkeys(self.repo.services)
                assert self.repo.digests(name) == self.built.get(place.runs or "", nothing)

    def teardown(self) -> None:
        for name, place in self.places.items():
            there = self.app()
            with mock.patch.object(there.report, "json") as printed:
                history(there, name, 1000, as_json=True)
            told = [(one["sequence"], one["outcome"]) for one in reversed(*printed.call_args.args)]
            in_progress = ["in progress"] if place.coming else []
            assert told == list(enumerate([*place.outcomes, *in_progress], 1))

    def refusal(self, name: str, sha: str, reason: str) -> type[Exception] | None:
        """How a promotion must be refused, if it must be."""
        place, before = self.places[name], BEFORE[name]
        if place.coming is not None:
            return BusyError
        if sha not in self.built:
            return PreconditionError
        if sha == place.runs:
            return None  # a repair, if anything
        ordered = before is None or self.ran_well(before, sha)
        blocked = sha in place.blocked and not reason
        older = place.runs is not None and self.age(sha) < self.age(place.runs) and not reason
        return None if ordered and not blocked and not older else PreconditionError

    def ran_well(self, name: str, sha: str) -> bool:
        """Whether an environment has run a release and was not rolled back from it."""
        return sha in self.places[name].standing - self.places[name].blocked

    def age(self, sha: str) -> int:
        return next(n for n, revision in enumerate(self.revisions) if revision.startswith(sha))

    def no_op(self, name: str, sha: str) -> bool:
        return self.places[name].runs == sha and self.places[name].in_sync

    def attempt(
        self,
        kind: str,
        name: str,
        sha: str,
        expected: type[Exception] | None,
        command: Callable[[], None],
    ) -> None:
        with self.refused(expected):
            command()
        if expected is None and not self.no_op(name, sha):
            self.begin(kind, name, sha)
            self.places[name].done()
            self.counted(kind)

    def die(self, kind: str, name: str, sha: str, stop: str, command: Callable[[], None]) -> None:
        with killed(stop):
            survived = self.survives(command)
        if stop == f"before {OPENING}":
            return
        self.begin(kind, name, sha)
        if survived or stop == f"after {CLOSING}":
            self.places[name].done()
        self.counted(f"killed {kind}")

    def open(self) -> list[str]:
        return [name for name, place in self.places.items() if place.coming is not None]

    def ended(self, name: str, finish: bool) -> None:
        if finish:
            self.places[name].done()
        else:
            self.places[name].put_back()
        self.counted("resume" if finish else "abort")

    def begin(self, kind: str, name: str, sha: str) -> None:
        self.places[name].coming, self.places[name].kind = sha, kind

    def survives(self, command: Callable[[], None]) -> bool:
        try:
            command()
        except Killed:
            return False
        return True

    @contextmanager
    def refused(self, expected: type[Exception] | None) -> Iterator[None]:
        """Demand that the block ends with this error, or with none."""
        try:
            yield
        except (BusyError, PreconditionError, DifferenceError) as error:
            if type(error) is not expected:
                raise
            self.counted("refusal")
        else:
            assert expected is None, f"not refused with {expected}"

    def kept(self) -> set[str]:
        kept = {max(self.built, key=self.shas.index)}
        for place in self.places.values():
            kept |= {sha for sha in (place.runs, place.coming, *place.ways_back()[:1]) if sha}
        return kept

    def sha(self, commit: int) -> str:
        """One that is built, and now and then one that is not."""
        return self.shas[commit] if commit < COMMITS else list(self.built)[commit % len(self.built)]

    def app(self) -> Any:
        return app(self.repo, prune=KEEP_ONE)


def test_any_order_of_commands_ends_as_the_model_says(project: Monorepo, figures: Figures) -> None:
    """Built, promoted, rolled back, killed, recovered, pruned, tampered with: never a surprise."""
    ground, examples = Ground(project), MANY if IN_FULL else EXAMPLES
    with mock.patch.object(parallel, "WORKERS", 1):
        run_state_machine_as_test(
            cast("type[Pipeline]", partial(Pipeline, ground)),
            settings=settings(
                max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
    figures("properties", examples=examples, **ground.counts)


def test_the_model_notices_a_release_that_is_not_whole(project: Monorepo) -> None:
    """A library that moves one service's pointer and forgets the others is found out."""

    def forgetful(registry: Registry, tag: ImageRef, digest: Digest) -> None:
        if tag.repository.path.endswith("web"):
            point(registry, tag, digest)

    point = Registry.point
    machine = Pipeline(Ground(project))
    machine.build(0)
    with mock.patch.object(Registry, "point", forgetful):
        machine.promote("staging", 0, "")
    with pytest.raises(AssertionError):
        machine.records_and_pointers_are_the_models()
