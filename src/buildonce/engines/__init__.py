"""What runs the containers of an environment, behind one small interface.

A further engine is one more package here, and its name below and in ``config.Environment``.
"""

from __future__ import annotations

from importlib import import_module

from buildonce.engines.base import Engine, Target

_ENGINES = {"compose": "Compose", "swarm": "Swarm"}


def engine(target: Target) -> Engine:
    """Return the engine that a target names; its module is imported only now."""
    module = import_module(f"buildonce.engines.{target.engine}.engine")
    made: Engine = getattr(module, _ENGINES[target.engine])(target)
    return made
