"""`inv report` of a real ledger, a real registry and a real git history."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.report import collect, report
from buildonce.commands.rollback import rollback
from buildonce.errors import UnavailableError
from buildonce.refs import ImageRef
from buildonce.registry import Registry
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


@pytest.fixture
def delivered(project: Monorepo) -> Monorepo:
    """A release that production went back to, and one in staging that it does not have yet."""
    first = release(project, "Begin", web="one", jobs="one")
    second = release(project, "Make it <b>faster</b>", web="two")
    for sha in (first, second):
        promote(app(project), "staging", sha)
        promote(app(project), "production", sha)
    rollback(app(project), "production", None, "it is slower")
    return project


def test_the_page_is_written(delivered: Monorepo, tmp_path: Path) -> None:
    """`inv report --output DIR` writes DIR/index.html, and says so."""
    there = app(delivered)
    report(there, tmp_path / "site")
    page = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert heard(there).strip() == str(tmp_path / "site/index.html")
    assert "Make it &lt;b&gt;faster&lt;/b&gt;" in page
    assert "it is slower" in page


def test_environments_are_as_the_ledger_says(delivered: Monorepo) -> None:
    """Each has its release, subject and digests; the last one is known as such."""
    staging, production = collect(app(delivered)).environments
    assert (staging.subject, staging.last) == ("Make it <b>faster</b>", False)
    assert (production.subject, production.last) == ("Begin", True)
    assert production.digests == delivered.digests("production")


def test_history_has_what_each_promotion_brought(delivered: Monorepo) -> None:
    """Oldest first: the first release's one commit, the second's, and the way back's none."""
    found = collect(app(delivered)).of("production")
    assert [one.kind for one in found] == ["promotion", "promotion", "rollback"]
    assert [len(one.commits) for one in found] == [1, 1, 0]


def test_what_is_next_has_its_authors(delivered: Monorepo) -> None:
    """Production would get the commit that staging has."""
    _, production = collect(app(delivered)).pending
    (commit,) = production.commits
    assert (commit.subject, commit.author) == ("Make it <b>faster</b>", "Dana Developer")


def test_evidence_and_sizes_come_from_the_registry(delivered: Monorepo) -> None:
    """Bytes were fetched and hashed for it; each image of both releases has its size."""
    found = collect(app(delivered))
    assert {row.check for row in found.evidence} >= {"bytes", "pointer"}
    assert not [row for row in found.evidence if row.check == "bytes" and not row.holds]
    assert len({(one.release, one.service) for one in found.sizes}) == 2 * len(delivered.services)
    assert min(one.size for one in found.sizes) > 0


class Silent(Registry):
    """A registry that does not answer (a mock: the real one of the lab serves other tests)."""

    def manifest(self, ref: ImageRef) -> NoReturn:
        raise UnavailableError(f"{ref.repository.registry} did not answer")


def test_a_registry_that_is_silent_is_said_on_the_page(delivered: Monorepo) -> None:
    """Nothing is called verified that could not be looked at, and the rest is shown."""
    there = app(delivered)
    there.registry = Silent()
    found = collect(there)
    assert (found.evidence, found.sizes) == ((), ())
    assert found.unverified.endswith("did not answer")
    assert len(found.deployments) == 5
