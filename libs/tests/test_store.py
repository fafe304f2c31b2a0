"""The store, against a real server."""

from datetime import datetime, timedelta, timezone

import pytest
import redis
from beacon_libs.models import Result, Target
from beacon_libs.settings import Settings
from beacon_libs.store import RESULTS, RESULTS_KEPT, Store, StoreError
from beacon_libs.testing import free_port
from pydantic import RedisDsn, SecretStr

URL = "https://example.com/"


def test_what_is_added_is_listed(store: Store) -> None:
    """A target comes back from the store as it was put in."""
    target = Target.of(URL)
    store.add(target)
    assert store.targets() == [target]


def test_adding_an_address_again_changes_nothing(store: Store) -> None:
    """The second target of the same address is answered with the first one."""
    first = store.add(Target.of(URL))
    assert store.add(Target.of(URL)) == first
    assert store.targets() == [first]


def test_targets_are_listed_in_the_order_of_their_addition(store: Store) -> None:
    """The order is that of time, whatever order the server keeps its hash in."""
    monday = datetime(2024, 1, 1, tzinfo=timezone.utc)
    targets = [
        Target(id=f"{9 - day}", url=URL, added_at=monday + timedelta(days=day)) for day in range(9)
    ]
    for target in reversed(targets):
        store.add(target)
    assert store.targets() == targets


def test_the_newest_result_comes_first(store: Store) -> None:
    """A page that shows the first result shows the latest one."""
    target = store.add(Target.of(URL))
    for status in (200, 503):
        store.record([Result(target_id=target.id, status=status, latency_ms=1)])
    assert [result.status for result in store.watched()[0].results] == [503, 200]


def test_only_the_latest_results_are_kept(store: Store, store_url: str) -> None:
    """However long the worker runs, the server keeps few results of a target."""
    target = store.add(Target.of(URL))
    store.record(
        Result(target_id=target.id, status=status, latency_ms=1)
        for status in range(100, 101 + RESULTS_KEPT)
    )
    with redis.Redis.from_url(store_url) as client:
        kept = client.lrange(RESULTS.format(target.id), 0, -1)
    statuses = [Result.model_validate_json(each).status for each in kept]
    assert statuses == list(range(100 + RESULTS_KEPT, 100, -1))


def test_results_of_one_target_stay_with_it(store: Store) -> None:
    """A result is not shown with another target."""
    probed, waiting = store.add(Target.of(URL)), store.add(Target.of(URL + "other"))
    store.record([Result(target_id=probed.id, status=200, latency_ms=1)])
    results = {target.id: len(target.results) for target in store.watched()}
    assert results == {probed.id: 1, waiting.id: 0}


def test_a_removed_target_comes_back_without_its_old_results(store: Store) -> None:
    """Removal takes the results along."""
    target = store.add(Target.of(URL))
    store.record([Result(target_id=target.id, status=200, latency_ms=1)])
    assert store.remove(target.id)
    store.add(Target.of(URL))
    assert store.watched()[0].results == ()


def test_removing_what_is_not_there_says_so(store: Store) -> None:
    """A second removal is told apart from the first."""
    assert not store.remove("no-such-id")


def test_an_absent_store_is_named_without_the_password() -> None:
    """Where no server listens, the error says where it was looked for, and gives no secret away."""
    port = free_port()
    absent = Store(
        Settings(
            store_url=RedisDsn(f"redis://user:in-the-url@127.0.0.1:{port}/0"),
            store_password=SecretStr("in-the-secret"),
        )
    )
    with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port} did not answer") as failure:
        absent.check()
    assert "in-the" not in str(failure.value)
