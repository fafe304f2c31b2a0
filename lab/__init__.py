"""An engine, a registry and two images on a machine that has none of them."""

from .errors import LabError
from .lifecycle import down, load, status, up
from .model import Lab, Part

__all__ = ["Lab", "LabError", "Part", "down", "load", "status", "up"]
