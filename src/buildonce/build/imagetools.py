"""Images between registries, by ``docker buildx imagetools``; no engine is asked.

The client is the one that python-on-whales finds, so that contexts and logins count. Its own
``imagetools`` calls can neither keep a plain manifest plain nor give a manifest's very bytes
(0.81), so the processes are started here.
"""

from __future__ import annotations

import subprocess
from functools import cached_property

from python_on_whales import DockerClient
from python_on_whales.client_config import ClientNotFoundError

from buildonce.errors import UnavailableError
from buildonce.refs import ImageRef

_ATTEMPTS = 3
"""What was copied by an attempt that failed is not copied again."""


class Imagetools:
    """Copies images and reads manifests. Safe to use from several threads."""

    def copy(self, source: ImageRef, tag: ImageRef) -> None:
        """Make a tag name the source's manifest, after all that it refers to was copied.

        A plain manifest stays plain: by default ``imagetools create`` wraps it in an index,
        which is another digest (docs.docker.com, "docker buildx imagetools create").

        Raises:
            UnavailableError: the copy failed; the message has the client's last line.
        """
        arguments = ("create", "--prefer-index=false", "--tag", str(tag), str(source))
        for _ in range(_ATTEMPTS):
            ended = self._run(*arguments)
            if ended.returncode == 0:
                return
        raise UnavailableError(
            f"copying {source} to {tag}: {_last_line(ended)}",
            hint=f"docker login {tag.repository.registry}; inv doctor",
        )

    def raw(self, ref: ImageRef) -> bytes | None:
        """Return the bytes of the manifest that ``ref`` names, or None where there is none.

        Raises:
            UnavailableError: the registry does not answer, or refuses.
        """
        ended = self._run("inspect", "--raw", str(ref))
        if ended.returncode == 0:
            return ended.stdout
        said = _last_line(ended)
        if said.endswith("not found"):
            return None
        raise UnavailableError(f"reading {ref} by docker buildx: {said}", hint="inv doctor")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [*self._client, "buildx", "imagetools", *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)

    @cached_property
    def _client(self) -> list[str]:
        try:
            return [str(word) for word in DockerClient().client_config.docker_cmd]
        except ClientNotFoundError:
            raise UnavailableError(
                "there is no docker client on this machine", hint="install docker with Buildx"
            ) from None


def _last_line(ended: subprocess.CompletedProcess[bytes]) -> str:
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("ERROR: ") if lines else f"it ended with {ended.returncode}"
