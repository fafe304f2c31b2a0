"""Stack files made from the definition: one job, or a few of its services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from buildonce.engines.swarm.stackfile import plain_service

_LEFT_OUT = ("container_name", "depends_on", "healthcheck", "ports")
_SHARED = ("configs", "networks", "secrets", "volumes")


def name_of(service: str) -> str:
    """Return the job's name."""
    return f"{service}-pre-deploy"


def job(model: Mapping[str, Any], service: str, command: Sequence[str]) -> str:
    """Return a stack file with one job: a command in a container of a service.

    Args:
        model: the definition as data, variables as they are written.
        service: whose image, settings, secrets and networks the job has.
        command: what it runs.
    """
    return _file(model, {name_of(service): _job(model["services"][service], command)})


def services(model: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a stack file with some of the services alone."""
    return _file(model, {name: plain_service(model["services"][name]) for name in names})


def _file(model: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    shared = {name: model[name] for name in _SHARED if model.get(name)}
    return json.dumps({"services": chosen, **shared})


def _job(service: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    placement = (service.get("deploy") or {}).get("placement")
    return {
        **plain_service({name: service[name] for name in service if name not in _LEFT_OUT}),
        "command": [word.replace("$", "$$") for word in command],
        "deploy": {
            "mode": "replicated-job",
            "restart_policy": {"condition": "none"},
            **({"placement": placement} if placement else {}),
        },
    }
