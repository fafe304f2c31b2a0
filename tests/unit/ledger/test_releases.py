"""The ledger's events of releases and of environments as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger import releases
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.ledger.records.environment import RunRecord
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.snapshot import (
    Snapshot,
    bundle_path,
    deployed_path,
    environment_path,
    image_path,
    pruned_path,
    release_path,
    run_path,
)
from tests.kit.samples import (
    DANA,
    NOON,
    REGISTRY,
    image_record,
    ledger,
    promotion,
    recorded,
    release,
    running,
)

FIRST, SECOND = release(1), release(2)
PLACE = PlaceRecord(engine="swarm", project="shop")


def images(of: Release, number: int = 1) -> dict[str, ImageRecord]:
    """The images of a release as a build makes them."""
    return {name: image_record(name, f"{name} {number}") for name in of.services}


def empty_of(of: Release) -> Release:
    """A release whose images are still to be recorded."""
    return of.model_copy(update={"services": {}})


def test_the_first_build_is_recorded_as_it_is() -> None:
    """Where there is no record, the release becomes it, and the message has the digests."""
    event = releases.built(ledger({}), empty_of(FIRST), images(FIRST))
    assert recorded(Release, event, release_path(FIRST.sha)).digests() == FIRST.digests()
    assert event is not None
    trailers = dict(event.trailers)
    assert trailers["Event"] == "built"
    assert trailers["Digest"] == f"web {FIRST.digests()['web']}"


def test_each_image_is_recorded_under_its_identity() -> None:
    """A build leaves one file for each service's inputs, which later commits reuse."""
    made = images(FIRST)
    event = releases.built(ledger({}), empty_of(FIRST), made)
    for name, image in made.items():
        assert recorded(ImageRecord, event, image_path(name, image.identity)) == image


def test_an_image_of_another_commit_says_so() -> None:
    """A release that reuses an image has the commit that it was built from."""
    made = {"web": image_record("web", "web 1", number=1)}
    state = {image_path("web", made["web"].identity): made["web"]}
    event = releases.built(ledger(state), empty_of(SECOND), made)
    release = recorded(Release, event, release_path(SECOND.sha))
    assert release.services["web"].built_from == FIRST.revision
    assert event is not None
    assert set(event.files) == {release_path(SECOND.sha), pruned_path(SECOND.sha)}


def test_two_builds_of_the_same_inputs_agree() -> None:
    """Where another commit's build was recorded first, its image is the release's."""
    first = image_record("web", "first bytes", number=1)
    state = {image_path("web", first.identity): first}
    late = {"web": image_record("web", "other bytes", number=2)}
    event = releases.built(ledger(state), empty_of(SECOND), late)
    release = recorded(Release, event, release_path(SECOND.sha))
    assert release.digests() == {"web": first.digest}


@pytest.mark.parametrize("changed", [{"generation": 2}, {"image": f"{REGISTRY}/elsewhere/web"}])
def test_a_later_generation_or_place_replaces_an_image(changed: dict[str, Any]) -> None:
    """A build of the same inputs that was asked for, or lies elsewhere, becomes their image."""
    first = image_record("web", "first bytes")
    path = image_path("web", first.identity)
    anew = image_record("web", "new bytes", number=2, **changed)
    event = releases.built(ledger({path: first}), empty_of(SECOND), {"web": anew})
    assert recorded(ImageRecord, event, path) == anew


def test_a_build_that_is_recorded_already_is_no_event() -> None:
    """Appending the same build twice writes once."""
    state = ledger({release_path(FIRST.sha): FIRST})
    assert releases.built(state, empty_of(FIRST), images(FIRST)) is None


def test_the_first_of_two_builds_is_the_one_that_counts() -> None:
    """Another build of the commit, with other bytes, changes nothing of what is recorded."""
    state = ledger({release_path(FIRST.sha): FIRST})
    other = {"web": image_record("web", "other bytes", identity="another")}
    assert releases.built(state, empty_of(FIRST), other) is None


def test_missing_services_are_added() -> None:
    """A build of the rest leaves what was there, and names what is new."""
    part = release(1, "web")
    event = releases.built(ledger({release_path(FIRST.sha): part}), empty_of(FIRST), images(FIRST))
    assert recorded(Release, event, release_path(FIRST.sha)).digests() == FIRST.digests()
    assert event is not None
    assert event.subject == f"build {FIRST.sha}: api"


def test_many_services_are_counted() -> None:
    """The subject of a fleet's build tells how many services it is, not each."""
    fleet = {f"s{number}": image_record(f"s{number}", "bytes") for number in range(100)}
    event = releases.built(ledger({}), empty_of(FIRST), fleet)
    assert event is not None
    assert event.subject == f"build {FIRST.sha}: 100 services"


def test_two_commits_with_one_tag_are_refused() -> None:
    """Where the short form is not unique any more, the message says what to change."""
    twin = FIRST.model_copy(update={"revision": FIRST.sha + "f" * 28})
    with pytest.raises(PreconditionError, match="is the tag of two commits") as caught:
        releases.built(ledger({release_path(FIRST.sha): FIRST}), twin, images(twin))
    assert "sha_length" in caught.value.hint


def test_nothing_of_a_retired_environment_stays() -> None:
    """Its record and what it was deployed by go, and nothing of another environment."""
    staging: dict[str, Record] = {
        environment_path("staging"): running(FIRST),
        deployed_path("staging"): DeploymentRecord(release=FIRST.sha, place=PLACE, salt="salt"),
    }
    production = {environment_path("production"): running(FIRST, "production")}
    event = releases.retired(ledger({**staging, **production}), "staging", "merged", DANA)
    assert event is not None
    assert event.files == dict.fromkeys(staging)


class Tree:
    """Stands in for git where a ledger has these files."""

    def __init__(self, files: Mapping[str, Record | str]) -> None:
        self.files = {
            path: (one if isinstance(one, str) else one.to_json()).encode()
            for path, one in files.items()
        }

    def run(self, *arguments: str) -> bytes:
        """List a folder, as `git ls-tree -z --name-only` does."""
        folder = arguments[-1]
        inside = [path.removeprefix(folder) for path in self.files if path.startswith(folder)]
        names = dict.fromkeys(name.partition("/")[0] for name in inside)
        return "".join(f"{folder}{name}\0" for name in names).encode()

    def blobs(self, names: Sequence[str]) -> list[bytes | None]:
        return [self.files.get(name.partition(":")[2]) for name in names]


def written(files: Mapping[str, Record | str]) -> Snapshot:
    """A ledger that was read from a commit."""
    return Snapshot(cast("Any", Tree(files)), "a" * 40)


def with_identities(of: Release, **identities: str) -> Release:
    """A release whose images are those of some inputs."""
    services = {
        name: image.model_copy(update={"identity": identities[name]})
        for name, image in of.services.items()
    }
    return of.model_copy(update={"services": services})


def run_of(of: Release, blocked: str = "") -> RunRecord:
    return RunRecord(release=of.sha, sequence=1, since=NOON, blocked=blocked)


def test_what_only_a_pruned_release_has_goes_with_it() -> None:
    """Its run, its bundles and its own images; what others have, and why it is blocked, stay."""
    old = with_identities(FIRST, api="1" * 64, web="2" * 64)
    kept = with_identities(SECOND, api="3" * 64, web="2" * 64)
    state = written(
        {
            release_path(old.sha): old,
            release_path(kept.sha): kept,
            run_path("staging", old.sha): run_of(old),
            run_path("production", old.sha): run_of(old, "it was slow"),
            run_path("qa", kept.sha): run_of(kept),
            bundle_path("staging", old.sha, "compose"): "services: {}",
            bundle_path("staging", kept.sha, "compose"): "services: {}",
        }
    )
    event = releases.pruned(state, lambda _: [old.sha], DANA)
    assert event is not None
    blocked = run_of(old, "it was slow").model_copy(update={"pruned": True})
    assert event.files == {
        release_path(old.sha): None,
        pruned_path(old.sha): old,
        run_path("staging", old.sha): None,
        run_path("production", old.sha): blocked,
        bundle_path("staging", old.sha, "compose"): None,
        image_path("api", "1" * 64): None,
    }
    assert event.subject == f"pruned {old.sha}"


def test_without_a_release_to_prune_there_is_no_event() -> None:
    """What was chosen before may have been taken back."""
    assert releases.pruned(written({release_path(FIRST.sha): FIRST}), lambda _: [], DANA) is None


def test_releases_whose_tags_are_gone_are_forgotten() -> None:
    """Each that is left, once; the subject counts several."""
    both = {pruned_path(one.sha): one for one in (FIRST, SECOND)}
    shas = [FIRST.sha, SECOND.sha]
    event = releases.forgotten(ledger(both), shas, DANA)
    assert event is not None
    assert (event.subject, event.files) == ("forgotten 2 releases", dict.fromkeys(both))
    event = releases.forgotten(ledger({pruned_path(FIRST.sha): FIRST}), shas, DANA)
    assert event is not None
    assert event.subject == f"forgotten {FIRST.sha}"
    assert releases.forgotten(ledger({}), shas, DANA) is None


BUNDLE = bundle_path("live", FIRST.sha, "compose")


@pytest.mark.parametrize("known", [False, True])
def test_a_release_from_a_file_brings_what_is_missing(known: bool) -> None:
    """The release where it is not recorded, and each bundle that is not there yet."""
    here: dict[str, Record] = {release_path(FIRST.sha): FIRST} if known else {}
    event = releases.loaded(ledger(here), FIRST, images(FIRST), {BUNDLE: "services: {}"})
    assert event is not None
    assert event.subject == f"load {FIRST.sha}: api, web"
    assert event.trailers[:2] == (("Event", "loaded"), ("Release", FIRST.sha))
    assert event.files[BUNDLE] == "services: {}"
    assert (release_path(FIRST.sha) in event.files) is not known


def test_a_release_from_a_file_has_its_own_images() -> None:
    """Its images stay what they were, where their inputs were built again, there or here."""
    again = images(FIRST, 2)
    (name, image), *_ = again.items()
    first = {service: record.of(FIRST.revision) for service, record in images(FIRST).items()}
    of = FIRST.model_copy(update={"services": first})
    known = ledger({image_path(name, image.identity): image})
    for state in (ledger({}), known):
        event = releases.loaded(state, of, again, {})
        assert event is not None
        assert event.files == {release_path(of.sha): of, pruned_path(of.sha): None}
        assert event.trailers[3] == ("Digest", f"{name} {of.services[name].digest}")


def test_a_release_that_was_loaded_is_not_loaded_again() -> None:
    """With its record and its bundles there, there is no event; a bundle there is never changed."""
    state = written({release_path(FIRST.sha): FIRST, BUNDLE: "services: {web: {}}"})
    assert releases.loaded(state, FIRST, images(FIRST), {BUNDLE: "services: {}"}) is None
    new = written({BUNDLE: "services: {web: {}}"})
    event = releases.loaded(new, FIRST, images(FIRST), {BUNDLE: "services: {}"})
    assert event is not None
    assert release_path(FIRST.sha) in event.files
    assert BUNDLE not in event.files


def test_an_environment_that_is_in_use_is_not_retired() -> None:
    """An open promotion comes first; of what never ran, nothing is retired."""
    opened = running(FIRST).opened(promotion(SECOND, running(FIRST)))
    with pytest.raises(BusyError, match="staging is locked by promotion 2"):
        releases.retired(ledger({environment_path("staging"): opened}), "staging", "", DANA)
    assert releases.retired(ledger({}), "staging", "", DANA) is None
