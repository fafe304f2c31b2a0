"""What the library's parts hand to one another does not change on the way."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

import buildonce

STATEFUL = {
    "buildonce.app.App",
    "buildonce.build.dockerfile._Stage",
    "buildonce.engines.compose.watching.Watch",
    "buildonce.engines.kubernetes.images._Replacing",
    "buildonce.engines.kubernetes.rollout.Rollout",
    "buildonce.engines.kubernetes.watching.Watch",
    "buildonce.engines.swarm.rollout.Rollout",
    "buildonce.engines.swarm.watching.Watch",
    "buildonce.execute.copies._Arrived",
    "buildonce.execute.copies._Tally",
    "buildonce.execute.lock.Lock",
    "buildonce.ledger.store.Ledger",
}
"""The dataclasses that keep what they have seen or done."""


def classes() -> Iterator[type]:
    """Every class of the library."""
    for module in pkgutil.walk_packages(buildonce.__path__, "buildonce."):
        if not module.name.endswith("__main__"):
            found = vars(importlib.import_module(module.name)).values()
            yield from (
                one for one in found if inspect.isclass(one) and one.__module__ == module.name
            )


def full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def test_values_are_frozen() -> None:
    """Each dataclass is frozen, except those that are there to keep a state."""
    changing = {
        full_name(kind)
        for kind in classes()
        if dataclasses.is_dataclass(kind) and not kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    }
    assert changing == STATEFUL


@pytest.mark.parametrize(
    "kind", [kind for kind in classes() if issubclass(kind, BaseModel)], ids=full_name
)
def test_what_is_read_from_files_is_frozen(kind: type[BaseModel]) -> None:
    """A table of the configuration or a record of the ledger stays as it was read."""
    assert kind.model_config["frozen"]
