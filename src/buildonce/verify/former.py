"""What still runs where an environment was moved away from."""

from __future__ import annotations

from collections.abc import Callable

from buildonce.engines.base import Remains, Target
from buildonce.errors import BuildonceError
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.verify.evidence import NOTHING, Evidence, unchecked

Look = Callable[[Target], Remains]
"""Tells what is left at a place."""

_CHECK = "former place"


def rows(environment: str, record: DeploymentRecord | None, look: Look) -> list[Evidence]:
    """Return a row for each place that an environment ran in before."""
    places = record.former if record else ()
    return [_row(environment, place, look) for place in places]


def _row(environment: str, place: PlaceRecord, look: Look) -> Evidence:
    target = Target(environment, place.engine, place.host, place.project, namespace=place.namespace)
    try:
        remains = look(target)
    except BuildonceError as error:
        return unchecked(environment, "", _CHECK, str(place), f"{place}: {error.message}")
    found = f"{', '.join(remains.names)} in {place}" if remains.names else NOTHING
    return Evidence(environment, "", _CHECK, str(place), NOTHING, found, remains.removal)
