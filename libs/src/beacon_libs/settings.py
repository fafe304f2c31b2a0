"""Settings, read from environment variables and from mounted secret files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import RedisDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS_DIR = Path("/run/secrets")
"""Where Compose and Swarm mount a container's secrets, one file each."""


class Settings(BaseSettings):
    """What every service of Beacon needs to know.

    A field `name` is read from the variable `BEACON_NAME`, else from the secret file `beacon_name`.
    """

    model_config = SettingsConfigDict(env_prefix="BEACON_", frozen=True, hide_input_in_errors=True)

    store_url: RedisDsn = RedisDsn("redis://127.0.0.1:6379/0")
    store_password: SecretStr = SecretStr("")
    revision: str = "unknown"


AnySettings = TypeVar("AnySettings", bound=Settings)


def load(kind: type[AnySettings], secrets_dir: Path = SECRETS_DIR) -> AnySettings:
    """Read the settings of one kind.

    Raises:
        SystemExit: a setting is wrong; the message names its variable and never shows its value.
    """
    try:
        return kind(_secrets_dir=secrets_dir if secrets_dir.is_dir() else None)
    except ValidationError as invalid:
        problems = [
            f"BEACON_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}"
            for error in invalid.errors()
        ]
        raise SystemExit(
            "Beacon cannot start, its settings are wrong. "
            f"Correct these in the environment or in {secrets_dir}, then start it again:\n  "
            + "\n  ".join(problems)
        ) from None
