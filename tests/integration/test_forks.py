"""One environment, and the ledgers of two repositories: a fork, or one that moved."""

from __future__ import annotations

import json

import pytest

from buildonce.commands.promote import promote
from buildonce.errors import PreconditionError
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import OCI_MANIFEST, Stored
from tests.kit.releases import release

OURS, FORK = "https://git.example.org/acme/shop", "https://git.example.org/dana/shop"


def named(repo: Monorepo, address: str) -> None:
    """Have git call the origin by a web address, and reach it all the same."""
    repo.git("config", "remote.origin.url", f"{address}.git")
    repo.git("config", f"url.file://{repo.origin}.insteadOf", f"{address}.git")


def point_to_an_image_from(repo: Monorepo, source: str, sha: str) -> None:
    """Have staging's pointer name an image whose label says that it is from elsewhere."""
    images = repo.images("web")
    config = images.config(sha)
    config["config"]["Labels"]["org.opencontainers.image.source"] = source
    content = json.dumps(config).encode()
    document = images.require(sha).document
    document["config"] |= {"digest": images.put_blob(content), "size": len(content)}
    images.put("staging", Stored(json.dumps(document).encode(), OCI_MANIFEST))


def test_a_fork_does_not_promote_what_the_original_did(project: Monorepo) -> None:
    """A copied ledger is no lock: the fork is refused, and the remedy names the original."""
    named(project, OURS)
    first = release(project, web="one", jobs="one")
    promote(app(project), "staging", first)
    second = release(project, web="two")
    named(project, FORK)
    with pytest.raises(PreconditionError, match=f"promoted from {OURS}") as refused:
        promote(app(project), "staging", second)
    assert f"git remote add upstream {OURS}" in refused.value.hint
    promote(app(project), "staging", second, overrides=["repository"], reason="it was moved")
    third = release(project, web="three")
    promote(app(project), "staging", third)


def test_a_fork_with_a_ledger_of_its_own_is_told_by_the_images(project: Monorepo) -> None:
    """What the original has put under the pointer says where it was built."""
    sha = release(project, web="one", jobs="one")
    point_to_an_image_from(project, OURS, sha)
    named(project, FORK)
    with pytest.raises(PreconditionError, match=f"promoted from {OURS}"):
        promote(app(project), "staging", sha)


@pytest.mark.parametrize(
    "address", ["https://alias/acme/shop", "https://git.example.org/Acme/Shop"]
)
def test_another_name_of_the_same_repository_is_no_fork(project: Monorepo, address: str) -> None:
    """An alias of ssh, a mirror or another case promotes as before."""
    named(project, OURS)
    promote(app(project), "staging", release(project, web="one", jobs="one"))
    named(project, address)
    promote(app(project), "staging", release(project, web="two"))
