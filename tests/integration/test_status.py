"""`inv status` of a real ledger and a real registry: for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from buildonce.app import App, now
from buildonce.commands.promote import promote
from buildonce.commands.recover import abort
from buildonce.commands.status import status
from buildonce.engines.base import Deployment, Running
from buildonce.errors import DifferenceError, UnavailableError
from buildonce.refs import parse_digest, short
from buildonce.targets import Targets
from tests.kit.in_process import app, heard, leave_open
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import another
from tests.kit.releases import release

OBSERVED = {"engine": "kubernetes", "context": "live", "namespace": "shop"}


class Cluster:
    """What sees an environment: of the release's services these states, or no answer."""

    def __init__(self, deployment: Deployment, states: Mapping[str, Sequence[str]] | None) -> None:
        self.deployment, self.states = deployment, states

    def running(self) -> list[Running]:
        if self.states is None:
            raise UnavailableError("the cluster does not answer", hint="kubectl cluster-info")
        return [
            Running("live", service, f"{service}-{number}", self._digest(service), state)
            for service, states in self.states.items()
            for number, state in enumerate(states)
        ]

    def _digest(self, service: str) -> Any:
        return parse_digest(self.deployment.images[service].reference)


def observed(repo: Monorepo, states: Mapping[str, Sequence[str]] | None) -> App:
    """Staging is a cluster that runs this."""
    there = app(repo, environments={"staging": OBSERVED})
    nothing: Any = None

    def cluster(deployment: Deployment) -> Any:
        return Cluster(deployment, states)

    there.__dict__["targets"] = Targets(there.project, there.git, nothing, nothing, cluster)
    return there


def as_json(there: App, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    status(there, as_json=True)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def row(there: App, *words: str) -> list[str]:
    """The words of the one line that has all of these."""
    (line,) = [line for line in heard(there).splitlines() if set(words) <= set(line.split())]
    return line.split()


@pytest.fixture
def staged(project: Monorepo) -> Monorepo:
    """A monorepo whose release runs in staging, and in production nothing yet."""
    release(project, "Begin", web="one")
    promote(app(project), "staging")
    return project


def test_other_programs_get_every_service(
    staged: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each with what its pointer names; one alone where nothing runs."""
    sha, digests = staged.sha(), staged.digests("staging")
    *rows, production = as_json(app(staged), capsys)
    assert production == {
        "environment": "production", "state": "empty", "release": None, "differences": [],
    }  # fmt: skip
    done = staged.record("environments/staging.json")["successes"][0]["at"]
    for found in rows:
        assert found.pop("since").replace("+00:00", "Z") == done
    time = int(staged.git("show", "--no-patch", "--format=%ct"))
    assert rows == [
        {
            "environment": "staging", "state": "done", "release": sha, "differences": [],
            "subject": "Begin", "committed_at": time, "service": service,
            "digest": digests[service], "pointer": digests[service], "in_sync": True,
            "containers": None,
        }
        for service in staged.services
    ]  # fmt: skip


def test_a_pointer_that_was_moved_is_out_of_sync(
    staged: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its service is named with what the pointer names; the other one is in sync."""
    before = staged.digests("staging")
    staged.images("jobs").untag("staging")
    web = staged.images("web")
    web.put("staging", another(web.require("staging"), "by hand"))
    moved = staged.digests("staging")["web"]
    rows = {found["service"]: found for found in as_json(app(staged), capsys)[:2]}
    assert {name: (one["pointer"], one["in_sync"]) for name, one in rows.items()} == {
        "web": (moved, False),
        "jobs": (None, False),
    }
    there = app(staged)
    with pytest.raises(DifferenceError, match="out of sync: staging"):
        status(there, every=True, check=True)
    assert row(there, "web", short(before["web"] or ""))[-2:] == ["names", short(moved or "")]
    assert row(there, "jobs", short(before["jobs"] or ""))[-2:] == ["names", "nothing"]
    assert row(there, "jobs", "pointer")[-2:] == ["names", "nothing"]


def test_a_service_has_its_pointer_in_sync(staged: Monorepo) -> None:
    """With `--all`, each service has its digest; without, what runs is known by pointers."""
    there = app(staged)
    status(there, every=True, check=True)
    for service, digest in staged.digests("staging").items():
        assert row(there, service)[-3:] == [short(digest or ""), "in", "sync"]
    assert row(there, "production")[1:] == ["empty", "nothing", "yet"]
    there = app(staged)
    status(there)
    assert row(there, "staging")[-2:] == ["yes", "(pointers)"]
    assert row(there, "production")[1:] == ["empty", "nothing", "yet"]


def test_an_environment_without_pointers_has_none(
    project: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where tags are immutable, nothing is out of sync for the want of a pointer."""
    settings: dict[str, Any] = {"environments": {"staging": {"pointers": False}}}
    release(project, web="one")
    promote(app(project, **settings), "staging")
    there = app(project, **settings)
    status(there, every=True, check=True)
    assert row(there, "web")[-1] == "none"
    rows = as_json(app(project, **settings), capsys)
    assert [(found["pointer"], found["in_sync"]) for found in rows] == [(None, True)] * 2


def test_containers_are_counted_by_how_they_are(
    staged: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a cluster runs is told for each service, and a service of which nothing runs."""
    states = {"web": ["running", "running", "pending"]}
    there = observed(staged, states)
    status(there, every=True)
    assert " ".join(row(there, "web", "sync")).endswith("in sync 2 running, 1 pending")
    assert " ".join(row(there, "jobs", "sync")).endswith("in sync none")
    rows = {found["service"]: found["containers"] for found in as_json(there, capsys)}
    assert rows == {"web": ["running", "running", "is pending"], "jobs": []}


def test_what_does_not_answer_is_a_difference(
    staged: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger and the pointers are shown all the same, with what to run."""
    (first, *_) = as_json(observed(staged, None), capsys)
    assert first["containers"] is None
    assert first["differences"] == [
        {
            "service": "", "what": "containers",
            "found": "the cluster does not answer; kubectl cluster-info",
        }
    ]  # fmt: skip


def test_a_commit_that_is_not_in_this_clone_has_no_subject(
    staged: Monorepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What runs is told of a shallow clone as well."""
    sha = staged.sha()
    staged.commit("Go on")
    clone = staged.clone(tmp_path / "clone", "--depth=1")
    (first, *_) = as_json(app(clone), capsys)
    assert (first["release"], first["subject"], first["committed_at"]) == (sha, None, None)
    there = app(clone)
    status(there)
    assert row(there, "staging")[:3] == ["staging", "done", sha]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-9), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=50), "2 d ago"),
    ],
)
def test_since_when_is_told_in_one_unit(staged: Monorepo, age: timedelta, said: str) -> None:
    """The largest that fits; a clock that is behind counts for nothing."""
    at = staged.record("environments/staging.json")["successes"][0]["at"]
    moment = type(now()).fromisoformat(at.replace("Z", "+00:00")) + age
    there = app(staged)
    with mock.patch("buildonce.commands.status.now", return_value=moment):
        status(there)
    assert said in " ".join(row(there, "staging"))


def test_how_the_latest_promotion_stands(staged: Monorepo) -> None:
    """One in progress locks the environment, and one that was undone says so."""
    release(staged, web="two")
    leave_open(lambda: promote(app(staged), "staging"))
    leave_open(lambda: promote(app(staged), "production", staged.sha("HEAD~1")))
    there = app(staged)
    with pytest.raises(DifferenceError, match="out of sync: staging, production"):
        status(there, check=True)
    assert row(there, "staging", "progress")[1:4] == ["promotion", "in", "progress"]
    assert "inv resume staging" in heard(there)
    for name in ("staging", "production"):
        abort(app(staged), name)
    there = app(staged)
    status(there, check=True)
    assert row(there, "staging")[1:4] == ["promotion", "aborted,", "undone"]
    assert row(there, "production")[1:] == ["empty", "nothing", "yet"]
