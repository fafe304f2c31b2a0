"""The store: targets and their latest results, kept in Valkey or Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from beacon_libs.models import Result, Target, WatchedTarget
from beacon_libs.settings import Settings

SCHEMA = "beacon:schema"
ADDRESSES = "beacon:addresses"
TARGETS = "beacon:targets"
RESULTS = "beacon:results:{}"

RESULTS_KEPT = 20
RESULTS_EXPIRE = timedelta(days=7)
ANSWER_WITHIN_SECONDS = 2.0


class StoreError(Exception):
    """The store did not answer, or refused."""


class Store:
    """Targets and results in one Valkey or Redis database.

    Every method raises StoreError where the server cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.store_url
        self._address = f"{url.host}:{url.port or 6379}"
        self._redis = redis.Redis.from_url(
            str(url),
            decode_responses=True,
            socket_timeout=ANSWER_WITHIN_SECONDS,
            socket_connect_timeout=ANSWER_WITHIN_SECONDS,
            retry=Retry(NoBackoff(), retries=1),
            **_credentials(settings),
        )

    def close(self) -> None:
        """Give back the connections."""
        self._redis.close()

    def check(self) -> None:
        """Make sure that the store answers."""
        with self._reaching():
            self._redis.ping()

    def add(self, target: Target) -> Target:
        """Watch a target, unless it already is; return it as it is stored."""
        with self._reaching(), self._redis.pipeline() as pipe:
            pipe.hsetnx(TARGETS, target.id, target.model_dump_json())
            pipe.hget(TARGETS, target.id)
            return Target.model_validate_json(pipe.execute()[1])

    def remove(self, target_id: str) -> bool:
        """Forget a target and its results; tell whether it was there."""
        with self._reaching(), self._redis.pipeline() as pipe:
            pipe.hdel(TARGETS, target_id)
            pipe.delete(RESULTS.format(target_id))
            return bool(pipe.execute()[0])

    def targets(self) -> list[Target]:
        """List what is watched, in the order in which it was added."""
        with self._reaching():
            stored = self._redis.hvals(TARGETS)
        targets = [Target.model_validate_json(each) for each in stored]
        return sorted(targets, key=lambda target: (target.added_at, target.id))

    def watched(self) -> list[WatchedTarget]:
        """List what is watched with its latest results."""
        targets = self.targets()
        with self._reaching(), self._redis.pipeline(transaction=False) as pipe:
            for target in targets:
                pipe.lrange(RESULTS.format(target.id), 0, RESULTS_KEPT - 1)
            found = pipe.execute()
        return [
            WatchedTarget(
                **target.model_dump(),
                results=tuple(Result.model_validate_json(each) for each in results),
            )
            for target, results in zip(targets, found, strict=True)
        ]

    def record(self, results: Iterable[Result]) -> None:
        """Keep results in front of those that their targets already have.

        They expire, so that those of a target removed in the meantime do not stay for ever.
        """
        with self._reaching(), self._redis.pipeline() as pipe:
            for result in results:
                key = RESULTS.format(result.target_id)
                pipe.lpush(key, result.model_dump_json())
                pipe.ltrim(key, 0, RESULTS_KEPT - 1)
                pipe.expire(key, RESULTS_EXPIRE)
            pipe.execute()

    def schema(self) -> int:
        """Return the version of the data's layout, 0 where none was ever set."""
        with self._reaching():
            return int(self._redis.get(SCHEMA) or 0)

    def set_schema(self, version: int) -> None:
        """Record the version of the data's layout."""
        with self._reaching():
            self._redis.set(SCHEMA, version)

    def adopt_addresses(self) -> int:
        """Turn the plain set of addresses, the layout before version 1, into targets.

        Returns how many there were. Interrupted half-way, it can be run again.
        """
        with self._reaching():
            addresses = self._redis.smembers(ADDRESSES)
        for address in addresses:
            self.add(Target.of(str(address)))
        with self._reaching():
            self._redis.delete(ADDRESSES)
        return len(addresses)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise StoreError(
                f"the store at {self._address} did not answer ({error}): see that it runs, "
                "and that BEACON_STORE_URL and the store's password are right"
            ) from error


def _credentials(settings: Settings) -> dict[str, str]:
    password = settings.store_password.get_secret_value()
    return {"password": password} if password else {}
