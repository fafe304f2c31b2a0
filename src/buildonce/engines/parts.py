"""Services of a Compose or stack file, as far as engines need to know them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.refs import Digest

_BY_DIGEST = re.compile(r".+@(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Part:
    """One service of a definition, as far as it can be told without any variable's value.

    ``ends`` says that it is done once it has ended with 0.
    """

    name: str
    image: str
    replicas: int | None
    needs: Mapping[str, str]
    optional: bool
    ends: bool = False

    @classmethod
    def read(cls, name: str, service: Mapping[str, Any]) -> Part:
        """Read what a definition says of a service, variables as they are written."""
        needs = service.get("depends_on") or {}
        return cls(
            name=name,
            image=str(service.get("image", "")),
            replicas=replicas(service),
            needs={other: how.get("condition", "") for other, how in needs.items()},
            optional=bool(service.get("profiles")),
            ends=_ends(service),
        )

    @property
    def digest(self) -> Digest | None:
        """The bytes it has to run, where the definition says so."""
        return digest_in(self.image)


def digest_in(image: str) -> Digest | None:
    """Return the digest that an image's name has, if it has one."""
    match = _BY_DIGEST.fullmatch(image)
    return Digest(match[1]) if match else None


def replicas(service: Mapping[str, Any]) -> int | None:
    """Return how many containers of a service there are; None where that is a variable's value."""
    wanted = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
    return int(wanted) if str(wanted).isdecimal() else None


def _ends(service: Mapping[str, Any]) -> bool:
    """Tell whether the restart policy says in so many words that the service comes to an end."""
    policy = (service.get("deploy") or {}).get("restart_policy") or {}
    restart = str(service.get("restart", policy.get("condition", "")))
    return restart in ("no", "none") or restart.startswith("on-failure")
