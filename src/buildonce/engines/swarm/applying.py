"""Give stack files to a manager, with the files and variables that they need."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial

from buildonce.engines.compose.watching import INTERVAL
from buildonce.engines.definition import Definition
from buildonce.engines.docker import CALL, Refused
from buildonce.engines.swarm import logins
from buildonce.engines.swarm.stackfile import with_files

_NONE: Mapping[str, str] = {}
# the later of two changes of one service; a network that a removed stack has left for a moment
_PASSING = re.compile(r"update out of sequence|network \S+ not found")
_PATIENCE = 30.0
_FROM_INPUT = ("--compose-file", "-")
_DEPLOY = ("--with-registry-auth", "--resolve-image", "never", "--detach=true")


def words(stack: str, *options: str) -> tuple[str, ...]:
    """Return the words with which the client deploys a stack file that it reads from its input."""
    return ("stack", "deploy", *_FROM_INPUT, *_DEPLOY, *options, stack)


def check(definition: Definition, text: str) -> None:
    """See that the client can read a stack file.

    Raises:
        Refused: it cannot.
    """
    _call(definition, text, "stack", "config", *_FROM_INPUT)


def deploy(definition: Definition, text: str, *options: str) -> None:
    """Deploy a stack file, again for a while where another change is in its way.

    Raises:
        Refused: the manager does not take it.
    """
    target = definition.deployment.target
    with logins.of(target.pull_config) as variables:
        attempt = partial(
            _call, definition, text, *words(target.project, *options),
            variables=variables, limit=target.timeout,
        )  # fmt: skip
        give_up = time.monotonic() + _PATIENCE
        while True:
            try:
                attempt()
            except Refused as refused:
                if time.monotonic() >= give_up or not _PASSING.search(refused.complaint):
                    raise
            else:
                return
            time.sleep(INTERVAL)


def _call(
    definition: Definition,
    text: str,
    *words: str,
    variables: Mapping[str, str] = _NONE,
    limit: float = CALL,
) -> None:
    deployment = definition.deployment
    given = {**deployment.variables, **variables}
    with with_files(text, lambda: definition.resolved, deployment.target.project) as written:
        definition.docker.run(*words, text=written, variables=given, limit=limit)
