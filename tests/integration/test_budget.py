"""The requests to a registry that a dry run announces are those that are sent."""

from __future__ import annotations

import re
from dataclasses import replace

from buildonce.commands.promote import promote
from tests.kit.fault_proxy import FaultProxy
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


def test_a_promotion_sends_what_was_announced(project: Monorepo) -> None:
    """One pointer moves and one stays; counted between the command and the registry."""
    with FaultProxy.before(project.registry) as proxy:
        repo = replace(project, registry=proxy.address)
        promote(app(repo), "staging", release(repo, web="one", jobs="one"))
        sha, dry = release(repo, web="two"), app(repo, dry_run=True)
        promote(dry, "staging", sha)
        with proxy.spoiling(None, 0, lasting=False):
            promote(app(repo), "staging", sha)
            assert proxy.requests == announced(heard(dry), proxy.address)


def announced(said: str, registry: str) -> int:
    """The requests to look and those to carry it out."""
    found = re.search(rf"requests to {registry}: (\d+) to look, at least (\d+) more", said)
    assert found, said
    return int(found[1]) + int(found[2])
