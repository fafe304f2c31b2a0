"""The ledger's records: written and read back unchanged, or refused with the field's name."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from buildonce.errors import IntegrityError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.record import parse_record
from buildonce.ledger.records.release import Image, Release
from buildonce.refs import digest_of
from tests.kit.samples import (
    NOON,
    digest,
    image,
    image_record,
    promotion,
    release,
    revision,
    running,
)

names = some.from_regex(r"[a-z]{1,8}", fullmatch=True)
images = some.builds(
    Image,
    image=names.map("registry.example.org/{}".format),
    digest=some.binary(max_size=4).map(digest_of),
)
zones = some.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
times = some.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=zones)
people = some.text(some.characters(codec="utf-8"), max_size=20)


@some.composite
def releases(draw: some.DrawFn) -> Release:
    revision = draw(some.from_regex(r"[0-9a-f]{40}", fullmatch=True))
    return Release(
        revision=revision,
        sha=revision[: draw(some.integers(7, 40))],
        expects=tuple(draw(some.lists(names, unique=True, max_size=4))),
        services=draw(some.dictionaries(names, images, max_size=4)),
        built_at=draw(times),
        built_by=draw(people),
        built_with=draw(people),
    )


@given(releases())
def test_a_release_survives_a_round_trip(written: Release) -> None:
    """What is read is what was written, and writing it again gives the same bytes."""
    text = written.to_json()
    read = parse_record(Release, text.encode(), "releases/x.json")
    assert read == written
    assert read.to_json() == text


def test_an_environments_record_survives_a_round_trip() -> None:
    """With a promotion in progress, all that a resume needs is read back."""
    record = running(release(1))
    opened = record.opened(promotion(release(2), record, reason="line\nbreak ü", overrides=("a",)))
    text = opened.to_json().encode()
    assert parse_record(EnvironmentRecord, text, "environments/staging.json") == opened


def test_json_is_made_to_be_read_and_compared() -> None:
    """One field a line and a newline at the end, so that git shows what changed."""
    lines = release().to_json().splitlines(keepends=True)
    assert lines[-1] == "}\n"
    assert len(lines) > 10


def test_times_are_kept_in_utc() -> None:
    """Whatever zone a time comes in, it is recorded in UTC; without a zone it is refused."""
    berlin = timezone(timedelta(hours=1))
    recorded = {**release().model_dump(), "built_at": datetime(2026, 11, 23, 13, tzinfo=berlin)}
    assert Release.model_validate(recorded).built_at == NOON
    assert '"2026-11-23T12:00:00Z"' in Release.model_validate(recorded).to_json()
    with pytest.raises(ValidationError, match="has no time zone"):
        Release.model_validate({**recorded, "built_at": datetime(2026, 11, 23)})


def spoilt(**changed: Any) -> bytes:
    return json.dumps({**json.loads(release().to_json()), **changed}).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Invalid JSON"),
        (b"{}", "revision: Field required"),
        (b"[]", "object"),
        (b"\xff\xfe", "Invalid JSON"),
        (spoilt(revision="HEAD"), "revision: is not a full commit id"),
        (spoilt(sha="fffffff"), "sha 'fffffff' does not belong to revision"),
        (spoilt(sha=""), "does not belong to revision"),
        (spoilt(approved=True), "approved: Extra inputs are not permitted"),
        (spoilt(services={"api": {"image": "a/b", "digest": "x"}}), "services.api.digest: 'x' is"),
        (
            spoilt(services={"api": {"image": "no name", "digest": digest("a")}}),
            "services.api.image: 'no name' is not an image name",
        ),
        (spoilt(built_at="yesterday"), "built_at: "),
    ],
)
def test_a_spoilt_record_is_refused_by_its_path_and_field(content: bytes, told: str) -> None:
    """Exit 5, the file in the ledger, the field and what is wrong with it."""
    with pytest.raises(IntegrityError) as caught:
        parse_record(Release, content, "releases/x.json")
    assert "releases/x.json is not a valid record" in caught.value.message
    assert told in caught.value.message


def test_a_tag_beside_the_commits_own_belongs_to_what_was_built() -> None:
    """An image has the suffix in its own commit's release, and none where it is reused."""
    record = image_record("web", "content", suffix="-2")
    for number, suffix in ((1, "-2"), (2, "")):
        taken = release(number, "api").with_images({"web": record.of(revision(number))})
        assert taken.tag_of("web").reference == f"{taken.sha}{suffix}"


def test_what_is_missing_of_a_release() -> None:
    """A release lacks the services that its project had and it has no image of."""
    assert release(1, "web").missing() == ("api",)
    assert release(1).missing() == ()


def test_what_is_recorded_first_stays() -> None:
    """Adding images to a release never replaces one."""
    first = release(1, "web")
    both = first.with_images({"web": image("web", "other"), "api": image("api", "new")})
    assert both.digests() == {"web": first.digests()["web"], "api": digest("new")}
