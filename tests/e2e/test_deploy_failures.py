"""Deploys that fail: what is put back, what is left, and what is said of it."""

from __future__ import annotations

import json
import time

import pytest

import lab
from tests.kit.deployed_monorepo import Front
from tests.kit.figures import Figures
from tests.kit.hosts import kill_daemon


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"web": "sick"}, "is unhealthy"),
        ({"jobs": "stuck"}, "failed in the pre-deploy command"),
    ],
)
def test_a_release_that_fails_goes_back_by_itself(
    front: Front, modes: dict[str, str], words: str, figures: Figures
) -> None:
    """Exit 7: the release before is back and answers, and the ledger says what happened."""
    before, running = front.serves(), front.record()["release"]
    front.release(**modes)
    began = time.monotonic()
    done = front.promote(expect=7)
    figures(f"Compose, {modes}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert words in done.err
    assert f"production runs {running} again" in done.err
    assert front.serves() == before
    assert front.record()["release"] == running
    front.is_sound()


@pytest.mark.nightly
def test_the_log_of_what_failed_is_shown_and_not_kept(front: Front) -> None:
    """A crash after three seconds: its last words are for the terminal, not for the ledger."""
    front.release(jobs="crash")
    done = front.promote(expect=7)
    assert "crashed" in done.err
    assert "out of luck" in done.err
    assert "out of luck" not in json.dumps(front.record())


@pytest.mark.nightly
def test_a_release_that_cannot_be_undone_stops_loudly(front: Front) -> None:
    """Exit 8 for an irreversible one: nothing is put back, the state is said, abort ends it."""
    before = front.serves()
    front.release(web="sick")
    done = front.promote("--irreversible", expect=8)
    assert "irreversible" in done.err
    assert front.serves() != before
    front.repo.inv("verify", "--env", "production", expect=9)
    front.repo.inv("abort", "production", "--reason", "it changes nothing after all")
    assert front.serves() == before
    front.is_sound()


@pytest.mark.nightly
def test_a_host_without_an_engine_is_named(front: Front) -> None:
    """Exit 6 where production's engine is dead; once it is back, promoting starts what it lost."""
    front.release()
    ledger = front.repo.ledger()
    kill_daemon(front.hosts, "host2")
    try:
        assert front.place.target.host in front.promote(expect=6).err
        assert front.repo.ledger() == ledger
        said = front.repo.inv("verify", "--env", "production", expect=9).out
        assert "does not answer" in said
    finally:
        lab.up(state=front.hosts.state)
    front.promote("--sha", str(front.record()["release"]))
    front.is_sound()


@pytest.mark.nightly
def test_a_host_that_is_lost_in_a_deploy_is_told_and_recovered(front: Front) -> None:
    """Exit 8 names the host; once it is back, abort makes it run the release before."""
    before = front.serves()
    front.release()
    try:
        done = front.meanwhile("web 1 is ", lambda _: kill_daemon(front.hosts, "host2"))
        assert done.code == 8, done.err
        assert front.place.target.host in done.err
    finally:
        lab.up(state=front.hosts.state)
    front.repo.inv("abort", "production")
    assert front.serves() == before
    front.is_sound()


@pytest.mark.nightly
def test_without_a_registry_the_way_back_works(front: Front) -> None:
    """A rollback deploys what the host has; pointers follow by the command that it names."""
    before, running = front.serves(), front.record()["release"]
    front.release()
    front.promote()
    kill_daemon(front.hosts, "registry")
    try:
        done = front.repo.inv("rollback", "production", "--reason", "it is slow")
    finally:
        lab.up(state=front.hosts.state)
    assert "the pointers of production stay as they are" in done.err
    assert f"inv promote production --sha {running}" in done.err
    assert front.serves() == before
    front.repo.inv("verify", "--env", "production", expect=9)
    front.promote("--sha", str(running))
    front.is_sound()


@pytest.mark.nightly
def test_a_release_that_fails_goes_back_without_a_registry(front: Front) -> None:
    """The release before runs again where the registry is lost in the middle of a deploy."""
    before = front.serves()
    front.release(web="sick")
    try:
        done = front.meanwhile("web 1 is ", lambda _: kill_daemon(front.hosts, "registry"))
    finally:
        lab.up(state=front.hosts.state)
    assert done.code == 7, done.err
    assert "the pointers of production stay as they are" in done.err
    assert front.serves() == before
    front.is_sound()
