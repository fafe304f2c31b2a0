"""Environments against one another: the same bytes, or a row that says which differ."""

from __future__ import annotations

from buildonce.ledger.records.deployment import DeployedService, DeploymentRecord, PlaceRecord
from buildonce.ledger.records.record import Record
from buildonce.ledger.snapshot import deployed_path, environment_path, release_path
from buildonce.refs import digest_of
from buildonce.verify.compare import compare
from tests.kit.samples import empty, ledger, release, running, state

RELEASE = release(1, expects=("web",))


def test_environments_with_one_release_are_identical() -> None:
    """Each environment after the first has a row for each service, equal to the first's."""
    both = state([RELEASE], running(RELEASE, "staging"), running(RELEASE, "production"))
    (row,) = compare(both, ["staging", "production"])
    assert (row.environment, row.service, row.check) == ("production", "web", "same as staging")
    assert row.holds


def test_environments_with_different_releases_are_not() -> None:
    """The row has both digests, that of the first as what was expected."""
    other = release(2, expects=("web",))
    records = (running(other, "staging"), running(RELEASE, "production"))
    (row,) = compare(state([RELEASE, other], *records), ["staging", "production"])
    assert (row.expected, row.found) == (other.digests()["web"], RELEASE.digests()["web"])


def test_others_images_that_differ_are_named() -> None:
    """No release says that they are the same: that is told, and claimed by nobody."""
    digest, other = digest_of(b"one"), digest_of(b"another")
    ran = {"staging": {"store": digest, "mail": digest}, "production": {"store": other}}
    own = DeployedService(digest=RELEASE.services["web"].digest)
    place = PlaceRecord(engine="compose")
    files: dict[str, Record] = {
        deployed_path(name): DeploymentRecord(
            release=RELEASE.sha, place=place, salt="salt",
            services={"web": own, **{one: DeployedService(digest=by) for one, by in run.items()}},
        )
        for name, run in ran.items()
    }  # fmt: skip
    records = {environment_path(name): running(RELEASE, name) for name in ran}
    snapshot = ledger({release_path(RELEASE.sha): RELEASE, **records, **files})
    _, row = compare(snapshot, ["staging", "production"])
    assert (row.service, row.check, row.checked) == ("store", "third-party image", False)
    assert row.found.startswith(f"{other[7:19]}, and {digest[7:19]} in staging")


def test_an_environment_that_runs_nothing_is_not_identical() -> None:
    """A service that is in one environment and not in the other does not hold."""
    snapshot = state([RELEASE], running(RELEASE, "staging"), empty("production"))
    (row,) = compare(snapshot, ["staging", "production"])
    assert (row.expected, row.found) == (RELEASE.digests()["web"], "nothing")
