"""Names of images: what the grammar admits, and that nothing else gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from buildonce.errors import UsageError
from buildonce.refs import (
    Digest,
    ImageRef,
    Repository,
    digest_of,
    full_reference,
    is_revision,
    parse_digest,
    parse_tag,
    short,
)

A_DIGEST = "sha256:" + "0123456789abcdef" * 4

components = some.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", fullmatch=True)
registries = some.from_regex(r"[a-z0-9]+(?:[.-][a-z0-9]+)*\.[a-z]+(?::[0-9]{1,5})?", fullmatch=True)
tags = some.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = some.binary(max_size=8).map(digest_of)
repositories = some.builds(
    Repository, registries, some.lists(components, min_size=1, max_size=4).map("/".join)
)


@given(repositories)
def test_a_repository_survives_a_round_trip(repository: Repository) -> None:
    """What is written down is read as the same place."""
    assert Repository.parse(str(repository)) == repository


@given(repositories, tags)
def test_a_tagged_image_survives_a_round_trip(repository: Repository, tag: str) -> None:
    """A reference by tag is read as what it was."""
    ref = repository.tag(tag)
    assert ImageRef.parse(str(ref)) == ref
    assert not ref.by_digest


@given(repositories, digests)
def test_an_image_by_digest_survives_a_round_trip(repository: Repository, digest: Digest) -> None:
    """A reference by digest is read as what it was."""
    ref = repository.at(digest)
    assert ImageRef.parse(str(ref)) == ref
    assert ref.by_digest


@given(some.text(min_size=1))
def test_nothing_that_looks_like_an_option_is_a_name(text: str) -> None:
    """Whatever begins with `-` is neither a repository, nor a tag, nor an image."""
    for parse in (Repository.parse, ImageRef.parse, parse_tag, parse_digest):
        with pytest.raises(UsageError):
            parse(f"-{text}")


@given(some.text())
def test_what_is_read_has_no_surprises_in_it(text: str) -> None:
    """A reference that is accepted has nothing but the grammar's characters."""
    try:
        ref = ImageRef.parse(text)
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@\[\]-]*", str(ref))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.13-slim", "docker.io/library/python:3.13-slim"),
        ("valkey/valkey:8", "docker.io/valkey/valkey:8"),
        ("ghcr.io/acme/api", "ghcr.io/acme/api:latest"),
        ("localhost/api", "localhost/api:latest"),
        ("127.0.0.1:5001/api:1", "127.0.0.1:5001/api:1"),
        ("[::1]:5001/api:1", "[::1]:5001/api:1"),
        (f"python@{A_DIGEST}", f"docker.io/library/python@{A_DIGEST}"),
        (f"python:3.13@{A_DIGEST}", f"docker.io/library/python@{A_DIGEST}"),
        ("docker.io/python", "docker.io/library/python:latest"),
        ("index.docker.io/acme/api", "docker.io/acme/api:latest"),
    ],
)
def test_short_names_are_filled_in(written: str, meant: str) -> None:
    """A name is what a Dockerfile's FROM would mean by it."""
    assert str(ImageRef.parse(written)) == meant


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("docker.io/python", "docker.io/library/python:latest"),
        (f"python:3.13@{A_DIGEST}", f"docker.io/library/python:3.13@{A_DIGEST}"),
        (f"ghcr.io/acme/api@{A_DIGEST}", f"ghcr.io/acme/api@{A_DIGEST}"),
    ],
)
def test_a_full_reference_keeps_tag_and_digest(written: str, full: str) -> None:
    """It is what BuildKit calls the image: the whole name, and nothing that is written is lost."""
    assert full_reference(written) == full


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("", "docker.io/library/"),
        ("UPPER/case", "UPPER/case"),
        ("ghcr.io/", "ghcr.io/"),
        ("ghcr.io/a//b", "ghcr.io/a//b"),
        ("ghcr.io/a b", "ghcr.io/a b"),
        ("ghcr.io/a\n", "ghcr.io/a\\n"),
        ("ghcr.io/$(id)", "ghcr.io/$(id)"),
        ("a/b:c/d:e", "a/b:c/d"),
        ("ghcr.io/a:", "''"),
        ("ghcr.io/a:.b", "'.b'"),
        ("ghcr.io/a@sha256:short", "'sha256:short'"),
        ("ghcr.io/a@md5:0", "'md5:0'"),
    ],
)
def test_what_is_no_image_name_is_refused_by_name(wrong: str, named: str) -> None:
    """The message repeats the part that is wrong, so that it can be found."""
    with pytest.raises(UsageError) as caught:
        ImageRef.parse(wrong)
    assert named in caught.value.message


@pytest.mark.parametrize("wrong", ["", ".hidden", "-x", "a" * 129, "a b", "a\n", "ä"])
def test_what_is_no_tag_is_refused(wrong: str) -> None:
    """A tag follows the distribution specification's grammar."""
    with pytest.raises(UsageError, match="cannot be a tag"):
        parse_tag(wrong)


@pytest.mark.parametrize("wrong", ["", "0" * 64, "sha256:" + "0" * 63, "sha256:" + "A" * 64])
def test_what_is_no_digest_is_refused(wrong: str) -> None:
    """A digest is sha256 and 64 lower-case hex digits, with nothing around it."""
    with pytest.raises(UsageError, match="is not a digest"):
        parse_digest(wrong)


def test_a_digest_is_the_hash_of_the_bytes() -> None:
    """`digest_of` is SHA-256: the empty string's digest is the well-known one."""
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of(b"") == f"sha256:{known}"
    assert short(digest_of(b"")) == known[:12]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a" * 40, True), ("a" * 64, True), ("a" * 39, False), ("A" * 40, False), ("HEAD", False)],
)
def test_a_revision_is_a_full_commit_id(text: str, is_one: bool) -> None:
    """Forty hex digits, or sixty-four, and no abbreviation."""
    assert is_revision(text) is is_one
