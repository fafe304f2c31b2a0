"""The api's settings."""

from beacon_libs.settings import Settings
from pydantic import Field


class ApiSettings(Settings):
    """What the api needs to know beside what every service does."""

    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8000, ge=1, le=65535)
