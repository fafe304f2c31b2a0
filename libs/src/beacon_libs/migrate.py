"""Bring the store's data to the layout that this release expects.

Run once before a release is deployed: `python -m beacon_libs.migrate`. Running it again, or two
at once, does no harm; a store with a newer layout is left as it is, so that a release can go back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from beacon_libs import logs
from beacon_libs.settings import Settings, load
from beacon_libs.store import Store, StoreError

log = logging.getLogger("beacon.migrate")


def adopt_addresses(store: Store) -> None:
    """Layout 1: targets with an id instead of a plain set of addresses."""
    log.info("addresses turned into targets: %d", store.adopt_addresses())


MIGRATIONS: tuple[Callable[[Store], None], ...] = (adopt_addresses,)
"""The migration at index n leads from layout n to layout n + 1."""


def migrate(store: Store) -> int:
    """Run the migrations that the store has not had; return its layout afterwards."""
    found = store.schema()
    for version, migration in enumerate(MIGRATIONS[found:], start=found + 1):
        migration(store)
        store.set_schema(version)
        log.info("the store's layout is now %d", version)
    return store.schema()


def main() -> None:
    """Migrate the configured store."""
    logs.configure()
    settings = load(Settings)
    store = Store(settings)
    try:
        layout = migrate(store)
    except StoreError as unavailable:
        raise SystemExit(
            f"migration to layout {len(MIGRATIONS)} failed: {unavailable}; then run it again, "
            "it continues where it stopped"
        ) from unavailable
    log.info(
        "layout %d in the store, %d expected by revision %s",
        layout,
        len(MIGRATIONS),
        settings.revision,
    )


if __name__ == "__main__":
    main()
