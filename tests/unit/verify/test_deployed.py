"""What a deploy left behind, against what runs later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from buildonce.engines.base import Resolved, Running
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.refs import Digest, digest_of, short
from buildonce.verify.deployed import given_otherwise, record_of, rows
from tests.kit.samples import FakeEngine, engine, release

OWN, STORE, OTHER = (Digest(digest_of(name)) for name in (b"own", b"store", b"other"))
WEB = Running("h1", "web", "web-1", OWN, "healthy", OWN, definition="by this", counted=True)
SECOND = replace(WEB, container="web-2")
REDIS = replace(WEB, service="redis", container="redis-1", digest=STORE, expected=None)
DEPLOYED = (WEB, SECOND, REDIS)


@dataclass(frozen=True)
class Bound(FakeEngine):
    """An engine whose definition says this of its service."""

    says: str = "PASSWORD=one"

    def resolved(self) -> Resolved:
        return Resolved(("PASSWORD",), {"web": self.says})


ENGINE = Bound(engine(release(1)).deployment)
RECORD = record_of(ENGINE, DEPLOYED, "salt")


def differing(running: Sequence[Running], record: DeploymentRecord | None = RECORD) -> list[str]:
    found = rows(ENGINE, running, record)
    return [f"{row.service} {row.check}: {row.found}" for row in found if not row.holds]


def test_what_runs_as_it_was_deployed_holds() -> None:
    """Nothing differs from its own record, and a record says nothing of values."""
    assert differing(DEPLOYED) == []
    assert "one" not in RECORD.to_json()


@pytest.mark.parametrize(
    ("running", "found"),
    [
        ((WEB, REDIS), ["web count: 1"]),
        ((*DEPLOYED, replace(WEB, container="web-3")), ["web count: 3"]),
        (
            (WEB, replace(SECOND, definition="by that"), REDIS),
            ["web definition: changed since it was deployed"],
        ),
        ((WEB, SECOND), ["redis count: 0"]),
        (
            (WEB, SECOND, replace(REDIS, digest=OTHER)),
            [f"redis container: {OTHER}: runs {short(OTHER)}, not {short(STORE)}"],
        ),
    ],
)
def test_what_differs_from_the_deployment_is_named(
    running: Sequence[Running], found: list[str]
) -> None:
    """Another number, another definition, another image of somebody else: a row each."""
    assert differing(running) == found


def test_what_is_no_container_is_no_service() -> None:
    """An object that an engine has a row for is neither counted nor a service of the record."""
    an_object = Running("h1", "deployment/web", "", None, "running", source="object")
    assert record_of(ENGINE, [an_object, *DEPLOYED], "salt") == RECORD


def test_a_number_that_no_definition_says_is_not_compared() -> None:
    """One for each node, or scaled by the cluster: how many there are is not judged."""
    everywhere = replace(WEB, counted=False)
    record = record_of(ENGINE, [everywhere], "salt")
    assert differing([everywhere, replace(everywhere, container="web-2")], record) == []


def test_another_place_than_the_last_deploy_used_is_named() -> None:
    """A checkout that names another host looks in the wrong place."""
    before = PlaceRecord(engine="compose", host="ssh://old", project="shop")
    moved = RECORD.model_copy(update={"place": before})
    (row,) = [row for row in rows(ENGINE, DEPLOYED, moved) if not row.holds]
    assert (row.check, row.expected) == ("place", "shop by compose on ssh://old")


@pytest.mark.parametrize(
    "record", [None, RECORD.model_copy(update={"release": "another"})], ids=["none", "another's"]
)
def test_without_a_record_it_says_that_it_did_not_check(record: DeploymentRecord | None) -> None:
    """What was never recorded is neither fine nor wrong; the command that records it is named."""
    *_, last = rows(ENGINE, DEPLOYED, record)
    assert (last.checked, last.holds) == (False, True)
    assert "--redeploy" in last.found


def test_services_that_would_get_other_values_are_known() -> None:
    """A changed variable is found without knowing either value."""
    assert given_otherwise(ENGINE, RECORD) == []
    assert given_otherwise(replace(ENGINE, says="PASSWORD=two"), RECORD) == ["web"]


def test_former_places_are_kept_but_for_the_present_one() -> None:
    """The latest first, three at most; a place that is used again is not a former one."""
    places = [PlaceRecord(engine="compose", host=f"ssh://h{n}") for n in range(6)]
    record: DeploymentRecord | None = None
    for place in (*places, places[4]):
        record = RECORD.model_copy(update={"place": place, "former": ()}).following(record)
    assert record is not None
    assert record.former == (places[5], places[3], places[2])
