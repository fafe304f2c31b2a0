"""A ledger that only one clone has, and environments that others reach as well."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.commands.promote import promote
from buildonce.errors import PreconditionError
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

ON_A_SERVER = {"engine": "compose", "file": "c.yaml", "project": "p", "host": "ssh://server"}
SHARED: dict[str, Any] = {
    "a server": {"environments": {"staging": ON_A_SERVER}},
    "a registry": {"registry": "registry.example.org"},
}


@pytest.mark.parametrize("shared", SHARED)
def test_a_lone_ledger_is_no_lock_for_what_others_use(project: Monorepo, shared: str) -> None:
    """Without a git remote, what others may use is not promoted, and the remedy is named."""
    sha = release(project, web="one", jobs="one")
    project.git("remote", "remove", "origin")
    with pytest.raises(PreconditionError, match="no git remote") as refused:
        promote(app(project, **SHARED[shared]), "staging", sha)
    assert refused.value.hint.startswith("git remote add origin")
