"""What an environment's containers were deployed by: where they run, and how they are defined."""

from __future__ import annotations

import hashlib

from pydantic import Field

from buildonce.ledger.records.record import DigestField, Record

PLACES_KEPT = 3
"""How many former places of an environment are remembered."""


class PlaceRecord(Record):
    """Where an environment's containers run."""

    engine: str
    host: str = ""
    namespace: str = ""
    project: str = ""

    def __str__(self) -> str:
        where = "/".join(filter(None, (self.host or "the local engine", self.namespace)))
        return f"{self.project} by {self.engine} on {where}"


class DeployedService(Record):
    """One service of the definition, as it was when its deploy was done.

    ``definition`` is the fingerprint of what the engine made its containers by, ``resolved`` of
    what the definition said with every variable's value; either is empty where it is not known.
    ``digest`` is what ran, third-party images included. ``count`` is the number of its containers;
    None where no definition says how many there are.
    """

    definition: str = ""
    resolved: str = ""
    digest: DigestField | None = None
    count: int | None = None


class DeploymentRecord(Record):
    """``deployments/<environment>.json``: the evidence that later looks are measured against.

    ``variables`` are the names of those that the definition uses. ``policy`` has the settings of
    the environment that were in force, as JSON. ``former`` are places that it was moved from, the
    latest first.
    """

    release: str
    place: PlaceRecord
    variables: tuple[str, ...] = ()
    policy: dict[str, str] = Field(default_factory=dict)
    salt: str
    services: dict[str, DeployedService] = Field(default_factory=dict)
    former: tuple[PlaceRecord, ...] = ()

    def following(self, before: DeploymentRecord | None) -> DeploymentRecord:
        """Return it with the places that the environment was moved from until now."""
        if before is None:
            return self
        places = dict.fromkeys((before.place, *before.former))
        former = tuple(place for place in places if place != self.place)
        return self.model_copy(update={"former": former[:PLACES_KEPT]})

    def fingerprint(self, text: str) -> str:
        """Return the fingerprint of a definition in this record; empty for none."""
        return fingerprint(self.salt, text)


def fingerprint(salt: str, text: str) -> str:
    """Return a salted hash by which a definition is known again; empty where there is none.

    A definition may have secrets in it, and whoever reads the ledger has the salt. scrypt (RFC
    7914) makes each guess at one cost about 3 ms instead of less than a microsecond.
    """
    if not text:
        return ""
    return hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**10, r=8, p=1, dklen=16).hex()
