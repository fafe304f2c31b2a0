"""An engine, a registry and two images on a machine that has none of them."""

from .errors import LabError
from .lifecycle import down, load, up
from .model import Lab

__all__ = ["Lab", "LabError", "down", "load", "up"]
