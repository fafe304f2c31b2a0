"""The worker's settings."""

from beacon_libs.settings import Settings
from pydantic import PositiveFloat


class WorkerSettings(Settings):
    """What the worker needs to know beside what every service does."""

    interval_seconds: PositiveFloat = 10
    timeout_seconds: PositiveFloat = 5
