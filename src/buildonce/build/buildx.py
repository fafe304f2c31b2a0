"""Buildx, through python-on-whales: one bake invocation for all services."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from python_on_whales import DockerClient
from python_on_whales.client_config import ClientNotFoundError
from python_on_whales.exceptions import DockerException

from buildonce.build.policy import VARIABLE
from buildonce.errors import PreconditionError, UnavailableError
from buildonce.refs import Digest, parse_digest

_ENVIRONMENT = {
    # the definition is our own, and names an exported tree outside the working directory
    "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
    # of the metadata only the digests are read; resolving the rest takes time
    "BUILDX_METADATA_PROVENANCE": "disabled",
}
"""See docs.docker.com, "bake --allow" and "Build environment variables"."""


_CONSENT = "Your build is requesting privileges"


class Buildx:
    """Builds by a bake definition, on whichever builder the docker client uses."""

    def __init__(self, docker: DockerClient | None = None) -> None:
        self._docker = docker or DockerClient()

    def bake(
        self,
        definition: Mapping[str, Any],
        policy: Mapping[str, Any],
        on_log: Callable[[str], None],
    ) -> dict[str, Digest]:
        """Build every target and return what Buildx says it pushed, by target.

        Args:
            definition: a bake file's content.
            policy: the source policy: which images are taken from outside.
            on_log: gets each line of the build's log.

        Raises:
            PreconditionError: the build failed; the message ends with the log's last line.
            UnavailableError: there is no docker client, or no engine that answers.
        """
        with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
            bakefile, metadata = Path(folder) / "bake.json", Path(folder) / "metadata.json"
            bakefile.write_text(json.dumps(definition), encoding="utf-8")
            rules = Path(folder) / "policy.json"
            rules.write_text(json.dumps(policy), encoding="utf-8")
            self._run(bakefile, metadata, rules, on_log)
            built = json.loads(metadata.read_text(encoding="utf-8"))
        return {
            target: parse_digest(built[target]["containerimage.digest"])
            for target in definition["target"]
            if "containerimage.digest" in built.get(target, {})
        }

    def _run(
        self, bakefile: Path, metadata: Path, policy: Path, on_log: Callable[[str], None]
    ) -> None:
        said = ""
        try:
            lines = self._docker.buildx.bake(
                files=bakefile, metadata_file=metadata, progress="plain", stream_logs=True,
                variables={**_ENVIRONMENT, VARIABLE: str(policy)},
            )  # fmt: skip
            for line in without_consent(str(line).rstrip() for line in lines):
                said = line or said
                on_log(line)
        except DockerException as error:
            if not self._answers():
                raise UnavailableError(
                    f"the engine does not answer: {said}", hint="start Docker, or set DOCKER_HOST"
                ) from None
            raise PreconditionError(
                f"the build failed (docker buildx bake ended with {error.return_code}): {said}",
                hint="the log above has the reason; inv doctor, where the engine is the cause",
            ) from None
        except (ClientNotFoundError, FileNotFoundError):
            raise UnavailableError(
                "there is no docker client on this machine", hint="install docker with Buildx"
            ) from None

    def _answers(self) -> bool:
        try:
            return self._docker.version().server is not None
        except DockerException:
            return False


def without_consent(lines: Iterable[str]) -> Iterator[str]:
    """Leave out what Buildx says about privileges even where it was told not to ask for consent.

    It begins with the sentence below and ends where the build's own log begins.
    """
    asking = False
    for line in lines:
        asking = line.startswith(_CONSENT) or (asking and not line.startswith("#"))
        if not asking:
            yield line
