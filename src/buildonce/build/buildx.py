"""Buildx, through python-on-whales: one bake invocation for all services."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from python_on_whales import DockerClient
from python_on_whales.client_config import ClientNotFoundError
from python_on_whales.exceptions import DockerException

from buildonce.build.policy import VARIABLE
from buildonce.errors import PreconditionError, UnavailableError
from buildonce.masking import hide
from buildonce.refs import Digest, parse_digest

_ENVIRONMENT = {"BUILDX_METADATA_PROVENANCE": "disabled"}
"""Of the metadata only the digests are read; resolving the rest takes time."""

_ALLOWED = ("--allow=fs.read=*", "--allow=ssh")
"""The definition is our own: what it reads outside the working folder, and SSH, need no question.

See docs.docker.com, "docker buildx bake --allow". python-on-whales has no argument for it
(0.81), and puts targets where Buildx takes options as well.
"""

_DEBUG = "PYTHON_ON_WHALES_DEBUG"
"""Makes python-on-whales print all variables of the process, and so build secrets."""


class Buildx:
    """Builds by a bake definition, on whichever builder the docker client uses."""

    def __init__(self, docker: DockerClient | None = None) -> None:
        os.environ.pop(_DEBUG, None)
        self._docker = docker or DockerClient()

    def bake(
        self,
        definition: Mapping[str, Any],
        policy: Mapping[str, Any],
        on_log: Callable[[str], None],
        secrets: Collection[str] = (),
    ) -> dict[str, Digest]:
        """Build every target and return what Buildx says it pushed, by target.

        Args:
            definition: a bake file's content.
            policy: the source policy: which images are taken from outside.
            on_log: gets each line of the build's log.
            secrets: values that are taken out of the log.

        Raises:
            PreconditionError: the build failed; the message ends with the log's last line.
            UnavailableError: there is no docker client, or no engine that answers.
        """
        with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
            bakefile, metadata = Path(folder) / "bake.json", Path(folder) / "metadata.json"
            bakefile.write_text(json.dumps(definition), encoding="utf-8")
            rules = Path(folder) / "policy.json"
            rules.write_text(json.dumps(policy), encoding="utf-8")
            lines = self._lines(bakefile, metadata, rules)
            self._follow((hide(line, secrets) for line in lines), on_log)
            built = json.loads(metadata.read_text(encoding="utf-8"))
        return {
            target: parse_digest(built[target]["containerimage.digest"])
            for target in definition["target"]
            if "containerimage.digest" in built.get(target, {})
        }

    def _lines(self, bakefile: Path, metadata: Path, policy: Path) -> Iterator[str]:
        lines = self._docker.buildx.bake(
            [*_ALLOWED, "default"], files=bakefile, metadata_file=metadata, progress="plain",
            stream_logs=True, variables={**_ENVIRONMENT, VARIABLE: str(policy)},
        )  # fmt: skip
        for line in lines:
            yield str(line).rstrip()

    def _follow(self, lines: Iterable[str], on_log: Callable[[str], None]) -> None:
        said = ""
        try:
            for line in lines:
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
