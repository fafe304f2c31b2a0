"""Walks plans: the only place that writes.

``executor`` walks; ``builds``, ``promotions`` and ``prunings`` do the steps; ``ports`` says what
they need of the outside.
"""

from buildonce.execute.executor import Executor
from buildonce.execute.ports import Builder, Images, Progress

__all__ = ["Builder", "Executor", "Images", "Progress"]
