"""What a deploy left behind: kept once everything is up, and compared with what runs later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from buildonce.engines.base import Engine, Observer, Running, Target
from buildonce.ledger.records.deployment import (
    DeployedService,
    DeploymentRecord,
    PlaceRecord,
    fingerprint,
)
from buildonce.verify.evidence import Evidence, unchecked

PLACE = "place"
SERVING = "serving"
AS_DEPLOYED = "as deployed"
ANOTHERS = "another tool deploys this environment: only its images are checked"


def record_of(engine: Engine, running: Sequence[Running], salt: str) -> DeploymentRecord:
    """Return the record of a deployment of which everything is up; the salt is a new one."""
    resolved = engine.resolved()
    return DeploymentRecord(
        release=engine.deployment.sha,
        place=place_of(engine.deployment.target),
        variables=resolved.variables,
        policy=dict(engine.deployment.policy),
        salt=salt,
        services={
            name: _kept(_of(name, running), salt, resolved.services.get(name, ""))
            for name in sorted({found.service for found in running if _of(found.service, [found])})
        },
    )


def place_of(target: Target) -> PlaceRecord:
    """Return where a target is, as the ledger has it."""
    return PlaceRecord(
        engine=target.engine, host=target.host, namespace=target.namespace, project=target.project
    )


def given_otherwise(engine: Engine, record: DeploymentRecord) -> list[str]:
    """Return the services that today's variables and secrets would define otherwise."""
    today = engine.resolved().services
    return [
        name
        for name, kept in record.services.items()
        if kept.resolved and name in today and record.fingerprint(today[name]) != kept.resolved
    ]


def rows(
    engine: Observer, running: Sequence[Running], record: DeploymentRecord | None
) -> list[Evidence]:
    """Return the evidence that an environment's containers are those that were deployed."""
    deployment = engine.deployment
    name, place = deployment.target.name, place_of(deployment.target)
    known = record if record and record.release == deployment.sha else None
    found = [_container(name, _expecting(one, known)) for one in running]
    if known is None:
        why = f"how it was deployed is not recorded: inv promote {name} --redeploy"
        return [*found, unchecked(name, "", "definition", "ledger", why)]
    if place != known.place:
        found.append(Evidence(name, "", PLACE, "configuration", str(known.place), str(place)))
    for service, kept in known.services.items():
        found += _as_deployed(name, service, kept, _of(service, running), known)
    return found


def observed(observer: Observer, running: Sequence[Running]) -> list[Evidence]:
    """Return the evidence of what containers run where another tool deploys."""
    name = observer.deployment.target.name
    found = [_container(name, one) for one in running]
    return [*found, unchecked(name, "", "definition", "ledger", ANOTHERS)]


def _as_deployed(
    environment: str,
    service: str,
    kept: DeployedService,
    running: Sequence[Running],
    record: DeploymentRecord,
) -> Iterator[Evidence]:
    if kept.definition and running:
        made = {record.fingerprint(text) for text in {one.definition for one in running}}
        state = AS_DEPLOYED if made == {kept.definition} else "changed since it was deployed"
        yield Evidence(environment, service, "definition", "engine", AS_DEPLOYED, state)
    if kept.count is not None:
        yield Evidence(environment, service, "count", "engine", str(kept.count), str(len(running)))


def _kept(running: Sequence[Running], salt: str, resolved: str) -> DeployedService:
    first = running[0]
    return DeployedService(
        definition=fingerprint(salt, first.definition),
        resolved=fingerprint(salt, resolved),
        digest=first.digest,
        count=len(running) if first.counted else None,
    )


def _of(service: str, running: Sequence[Running]) -> list[Running]:
    """Return what runs of a service, without what is missing or does not belong to it."""
    return [one for one in running if one.service == service and one.container and not one.stray]


def _expecting(found: Running, record: DeploymentRecord | None) -> Running:
    """Return a container with the digest that ran when it was deployed, where it was by tag."""
    kept = record.services.get(found.service) if record else None
    if not (kept and kept.digest and found.definition and found.digest) or found.expected:
        return found
    return replace(found, expected=kept.digest)


def _container(environment: str, found: Running) -> Evidence:
    where = f"{found.container} on {found.host}" if found.container else found.host
    if found.unknown:
        return unchecked(environment, found.service, found.source, where, found.unknown)
    expected = found.expected or SERVING
    problem = found.problem.removeprefix("is ")
    said = ": ".join(filter(None, (found.digest, problem))) if problem else expected
    return Evidence(environment, found.service, found.source, where, expected, said, found.remedy)
