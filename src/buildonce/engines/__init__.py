"""What runs the containers of an environment, behind one small interface.

A further engine is one more package here, and its name below and in ``config.Environment``.
"""

from __future__ import annotations

from importlib import import_module

from buildonce.engines.base import Deployment, Engine, Observer, Remains, Target

_ENGINES = {"compose": "Compose", "kubernetes": "Kubernetes", "swarm": "Swarm"}


def bind(deployment: Deployment) -> Engine:
    """Return the engine of a deployment's target, bound to it; its module is imported only now."""
    name = deployment.target.engine
    module = import_module(f"buildonce.engines.{name}.engine")
    made: Engine = getattr(module, _ENGINES[name])(deployment)
    return made


def observe(deployment: Deployment) -> Observer:
    """Return what sees the containers of a target that another tool deploys to."""
    module = import_module(f"buildonce.engines.{deployment.target.engine}.observer")
    made: Observer = module.Observer(deployment)
    return made


def remains(target: Target) -> Remains:
    """Return what there is of a target's project, whatever release it is of.

    Raises:
        UnavailableError, PreconditionError: the engine does not answer.
    """
    module = import_module(f"buildonce.engines.{target.engine}.engine")
    found: Remains = module.remains(target)
    return found


def require_answer(target: Target) -> None:
    """See that the engine of a target answers, whatever it runs.

    Raises:
        UnavailableError, PreconditionError: it does not.
    """
    import_module(f"buildonce.engines.{target.engine}.engine").require_answer(target)
