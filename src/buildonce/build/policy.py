"""BuildKit's source policies: which images a build takes, whatever its Dockerfile says. Pure.

A policy holds for FROM, COPY --from, RUN --mount and the syntax line alike. Its rules are applied
in order, the last one that matches counts, and what was converted is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from buildonce.build.pins import Pins
from buildonce.refs import full_reference

VARIABLE = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
"""The variable that names a policy's file. Buildx knows it from 0.11 on; rules are applied in order
from BuildKit 0.12.2 and Docker Engine 24.0.7 on."""


def pinning(pins: Iterable[Pins]) -> dict[str, object]:
    """Return the policy by which builds take these images alone, each by its digest."""
    images = {name: str(ref) for one in pins for name, ref in one.images.items()}
    allowed = dict.fromkeys(images.values())
    return _policy(
        {"action": "DENY", "selector": {"identifier": "docker-image://*"}},
        *(_rule("ALLOW", ref) for ref in allowed),
        *(_conversion(name, ref) for name, ref in images.items()),
    )


def replacing(bases: Mapping[str, str]) -> dict[str, object]:
    """Return the policy that puts ``bases`` in their places, and allows all other images."""
    return _policy(*(_conversion(name, to) for name, to in bases.items()))


def _policy(*rules: object) -> dict[str, object]:
    return {"version": 1, "rules": list(rules)}


def _conversion(name: str, to: str) -> dict[str, object]:
    updates = {"identifier": f"docker-image://{full_reference(to)}"}
    return {**_rule("CONVERT", full_reference(name)), "updates": updates}


def _rule(action: str, image: str) -> dict[str, object]:
    selector = {"identifier": f"docker-image://{image}", "matchType": "EXACT"}
    return {"action": action, "selector": selector}
