"""Credentials as the docker client keeps them: ``config.json`` and credential helpers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildonce.errors import UsageError
from buildonce.refs import DOCKER_HUB

CLIENT_CONFIG = "config.json"

_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"


@dataclass(frozen=True)
class Credentials:
    """A user and a secret; with ``identity`` the secret is a refresh token (OAuth2)."""

    user: str
    secret: str = field(repr=False)
    identity: bool = False


def find_credentials(registry: str) -> Credentials | None:
    """Return what ``docker login`` stored for a registry, or None.

    Looks where the docker client looks (docs.docker.com, "docker login"): a helper for this
    registry, the common helper, then the file itself, under ``$DOCKER_CONFIG`` or ``~/.docker``.

    Raises:
        UsageError: the file is not JSON, or a helper it names cannot be run.
    """
    config = client_config(client_folder())
    key = _HUB_KEY if registry == DOCKER_HUB else registry
    helper = _table(config, "credHelpers").get(key) or config.get("credsStore")
    found = _ask_helper(helper, key) if helper else None
    return found or _from_file(_table(config, "auths"), key)


def client_folder() -> Path:
    """Return where the docker client keeps its configuration."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def client_config(folder: Path) -> dict[str, Any]:
    """Return the docker client's configuration in a folder; empty where there is none.

    Raises:
        UsageError: the file is not JSON.
    """
    path = folder / CLIENT_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read: {type(error).__name__}", hint="docker login writes it again"
        ) from None
    return config if isinstance(config, dict) else {}


def _table(tables: dict[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}


def _from_file(entries: dict[str, Any], key: str) -> Credentials | None:
    entry = _table(entries, key) or _table(entries, f"https://{key}")
    if entry.get("identitytoken"):
        return Credentials(_TOKEN_USER, entry["identitytoken"], identity=True)
    try:
        user, colon, secret = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (TypeError, ValueError):
        raise UsageError(
            f"the docker client's credentials for {key} are garbled", hint=f"docker login {key}"
        ) from None
    return Credentials(user, secret) if colon else None


def _ask_helper(helper: str, key: str) -> Credentials | None:
    program = f"docker-credential-{helper}"
    try:
        answer = subprocess.run([program, "get"], input=key.encode(), capture_output=True)
    except OSError:
        raise UsageError(
            f"the credential helper {program} cannot be run", hint="see ~/.docker/config.json"
        ) from None
    if answer.returncode != 0:
        return None
    try:
        stored = json.loads(answer.stdout)
        user, secret = stored["Username"], stored["Secret"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"the credential helper {program} gave no credentials for {key}",
            hint=f"docker login {key}",
        ) from None
    return Credentials(user, secret, identity=user == _TOKEN_USER)
