"""An engine, a registry and two images on a machine that has none of them.

    inv lab.up && . .lab/env        # or, from Python: lab.up().environ()
    inv lab.down

On a machine whose engine can pull public images, only the registry is started, as a container.
Elsewhere, which takes root on a Debian, the lab installs Docker's engine and the Distribution
registry from the machine's own mirror, starts them, and makes the images of Debian packages.
Everything is kept in the state directory (`.lab`, or $BUILDONCE_LAB); labs with different ones
run side by side. Packages and the image cache (`.lab-cache`, or $BUILDONCE_LAB_CACHE) stay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .guard import guarded
    from .lifecycle import Lab, LabError, Part, down, load, status, up

__all__ = ["Lab", "LabError", "Part", "down", "guarded", "load", "status", "up"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: every release task imports this package, and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "guard" if name == "guarded" else "lifecycle"
    return getattr(import_module(f"{__name__}.{module}"), name)
