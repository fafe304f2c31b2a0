"""The migration, against a real server."""

import os
import subprocess
import sys

import pytest
import redis
from beacon_libs.migrate import MIGRATIONS, migrate
from beacon_libs.models import Target
from beacon_libs.store import ADDRESSES, Store
from beacon_libs.testing import free_port

URLS = {"https://example.com/", "https://example.org/"}


@pytest.fixture
def old_data(store_url: str, store: Store) -> Store:
    """Return a store with the layout before version 1."""
    with redis.Redis.from_url(store_url) as client:
        client.sadd(ADDRESSES, *URLS)
    return store


def test_an_empty_store_gets_the_present_layout(store: Store) -> None:
    """A first deployment needs no preparation."""
    assert migrate(store) == store.schema() == len(MIGRATIONS)


def test_addresses_become_targets(old_data: Store) -> None:
    """Nothing that was watched before is lost."""
    migrate(old_data)
    assert {target.url for target in old_data.targets()} == URLS


def test_the_old_layout_is_gone_afterwards(old_data: Store, store_url: str) -> None:
    """The set of addresses does not stay behind to be adopted once more."""
    migrate(old_data)
    with redis.Redis.from_url(store_url) as client:
        assert not client.exists(ADDRESSES)


def test_a_second_migration_changes_nothing(old_data: Store) -> None:
    """Running it before every release does no harm."""
    migrate(old_data)
    targets = old_data.targets()
    migrate(old_data)
    assert old_data.targets() == targets


def test_an_interrupted_migration_is_completed(old_data: Store) -> None:
    """A target that was adopted before the interruption keeps the time of its addition."""
    adopted = old_data.add(Target.of(min(URLS)))
    migrate(old_data)
    assert adopted in old_data.targets()
    assert len(old_data.targets()) == len(URLS)


def test_a_newer_layout_is_left_alone(store: Store) -> None:
    """A release can go back to a commit that does not know the layout in the store."""
    store.set_schema(len(MIGRATIONS) + 1)
    assert migrate(store) == len(MIGRATIONS) + 1


def test_the_command_migrates_and_says_which_revision_did(store_url: str, store: Store) -> None:
    """`python -m beacon_libs.migrate` is what runs before a release is deployed."""
    done = run_command({"BEACON_STORE_URL": store_url, "BEACON_REVISION": "abc123"})
    assert done.returncode == 0, done.stderr
    assert "expected by revision abc123" in done.stdout
    assert store.schema() == len(MIGRATIONS)


def test_the_command_fails_without_a_store() -> None:
    """A failed migration has an exit code that stops the release, and no traceback."""
    done = run_command({"BEACON_STORE_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert done.returncode == 1
    assert done.stderr.startswith("migration to layout 1 failed: the store at 127.0.0.1:")
    assert "Traceback" not in done.stderr


def run_command(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the migration as a release does."""
    return subprocess.run(
        [sys.executable, "-m", "beacon_libs.migrate"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
