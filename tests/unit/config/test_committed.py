"""Which parts of the configuration are a commit's own, and what overrides them."""

from __future__ import annotations

from typing import Any

from buildonce.config import as_committed

HERE: dict[str, Any] = {
    "registry": "new.example.org",
    "services": {"web": {"args": {"FLAVOUR": "plain"}}, "mail": {}},
    "bases": {"python:3.13": "mirror/python:3.13"},
    "environments": {"staging": {}},
}
COMMITTED: dict[str, Any] = {
    "registry": "old.example.org",
    "services": {"web": {"args": {"FLAVOUR": "old"}}, "jobs": {}},
    "platform": "linux/arm64",
    "environments": {"test": {}},
}


def test_services_bases_and_platform_are_the_commits() -> None:
    """Where images lie is the checkout's; what they are built from is the commit's."""
    assert as_committed({**HERE, "platform": "linux/amd64"}, HERE, COMMITTED) == {
        "registry": "new.example.org",
        "services": COMMITTED["services"],
        "platform": "linux/arm64",
    }


def test_what_overrides_the_checkout_overrides_the_commit() -> None:
    """A variable or a file of Invoke's counts for every commit, key by key."""
    web = {"args": {"FLAVOUR": "debug"}, "target": "slim"}
    merged = {**HERE, "services": {"web": web, "mail": {}}, "bases": {"alpine": "mirror/alpine"}}
    table = as_committed(merged, HERE, COMMITTED)
    assert table["services"] == {"web": web, "jobs": {}}
    assert table["bases"] == {"alpine": "mirror/alpine"}


def test_what_an_override_takes_away_is_gone() -> None:
    """A table that is empty under what overrides it is empty for the commit as well."""
    table = as_committed({**HERE, "bases": {}}, HERE, {**COMMITTED, "bases": HERE["bases"]})
    assert table["bases"] == {}
