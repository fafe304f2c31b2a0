"""An engine, a registry and two images on a machine that has none of them.

    inv lab.up && . .lab/env        # or, from Python: lab.up().environ()
    inv lab.down

On a machine whose engine can pull public images, only the registry is started, as a container.
Elsewhere, which takes root on a Debian, the lab installs Docker's engine and the Distribution
registry from the machine's own mirror, starts them, and makes the images of Debian packages.
Everything is kept in the state directory (`.lab`, or $BUILDONCE_LAB); labs with different ones
run side by side. Packages and the image cache (`.lab-cache`, or $BUILDONCE_LAB_CACHE) stay.
"""

from .errors import LabError
from .lifecycle import down, load, status, up
from .model import Lab, Part

__all__ = ["Lab", "LabError", "Part", "down", "load", "status", "up"]
