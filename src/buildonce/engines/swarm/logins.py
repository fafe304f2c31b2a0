"""The logins that a Swarm's nodes keep, where they are others than this client's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildonce.errors import PreconditionError
from buildonce.registry.credentials import CLIENT_CONFIG, client_config, client_folder

_LOGINS = ("auths", "credHelpers", "credsStore")


def require(folder: str, environment: str) -> None:
    """See that a folder has logins.

    Raises:
        PreconditionError: it has none.
    """
    if folder and not any(client_config(Path(folder)).get(name) for name in _LOGINS):
        raise PreconditionError(
            f"{environment}: pull_config {folder} has no login that nodes could pull with",
            hint=f"docker --config {folder} login REGISTRY   (with an account that may only pull)",
        )


@contextmanager
def of(folder: str) -> Iterator[dict[str, str]]:
    """Give the variables with which the client sends the logins of ``folder`` to the nodes.

    The client keeps contexts and logins in one folder. So it gets one of its own for a moment:
    its configuration with other logins in it, and everything else where it is.
    """
    if not folder:
        yield {}
        return
    own, config = client_folder(), client_config(client_folder())
    given = client_config(Path(folder))
    kept = {name: value for name, value in config.items() if name not in _LOGINS}
    with tempfile.TemporaryDirectory(prefix="buildonce-") as made:
        for path in own.iterdir() if own.is_dir() else ():
            if path.name != CLIENT_CONFIG:
                Path(made, path.name).symlink_to(path.absolute())
        logins = {name: given[name] for name in _LOGINS if name in given}
        Path(made, CLIENT_CONFIG).write_text(json.dumps({**kept, **logins}), encoding="utf-8")
        yield {"DOCKER_CONFIG": made}
