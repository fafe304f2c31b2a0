"""Services with the layers of real Dockerfiles, on a runner that has nothing but a registry."""

from .rounds import play

__all__ = ["play"]
