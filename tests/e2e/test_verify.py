"""`inv verify`, `status` and `sha`: evidence from bytes, and a non-zero exit without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.monorepo import SERVICES, Monorepo
from tests.kit.registry_wire import Stored, another, index_of


def test_what_was_promoted_holds(released: Monorepo) -> None:
    """Both environments are as recorded and identical: exit 0, every digest shown."""
    done = released.inv("verify", "--details")
    assert "staging and production are identical" in done.out
    for service in SERVICES:
        digest = released.digests(released.sha())[service]
        assert digest is not None
        assert done.row("production", service, "pointer").count(digest[7:19]) == 2


@dataclass(frozen=True)
class Tampering:
    """Something done behind the pipeline's back, and the words that verify must find for it."""

    do: Callable[[Monorepo], None]
    named: tuple[str, ...]
    code: int = 9


def pointer_to_other_bytes(repo: Monorepo) -> None:
    repush(repo, "production", another(repo.images("web").require("production"), "tampered"))


def pointer_to_an_index(repo: Monorepo) -> None:
    repush(repo, "production", index_of(repo.images("web").require("production")))


def pointer_removed(repo: Monorepo) -> None:
    repo.images("web").untag("production")


def commit_tag_to_other_bytes(repo: Monorepo) -> None:
    repush(repo, repo.sha(), another(repo.images("web").require(repo.sha()), "tampered"))


def manifest_deleted(repo: Monorepo) -> None:
    images = repo.images("web")
    images.delete(images.require(repo.sha()).digest)


def config_deleted(repo: Monorepo) -> None:
    images = repo.images("web")
    images.delete_blob(images.require(repo.sha()).document["config"]["digest"])


def label_of_another_commit(repo: Monorepo) -> None:
    """Every place names one and the same image; only its label belongs to another commit."""
    images = repo.images("web")
    stored = images.require(repo.sha())
    config = images.config(repo.sha())
    config["config"]["Labels"]["org.opencontainers.image.revision"] = "f" * 40
    content = json.dumps(config).encode()
    descriptor = {**stored.document["config"], "digest": images.put_blob(content)}
    document = {**stored.document, "config": {**descriptor, "size": len(content)}}
    relabelled = Stored(json.dumps(document).encode(), stored.media_type)
    for tag in (repo.sha(), "staging", "production"):
        images.put(tag, relabelled)
    edit_release(repo, relabelled.digest)


def record_with_another_digest(repo: Monorepo) -> None:
    edit_release(repo, "sha256:" + "0" * 64)


def record_of_an_index(repo: Monorepo) -> None:
    images = repo.images("web")
    index = index_of(images.require(repo.sha()))
    for tag in (repo.sha(), "staging", "production"):
        images.put(tag, index)
    edit_release(repo, index.digest)


def record_that_is_no_json(repo: Monorepo) -> None:
    repo.rewrite(f"releases/{repo.sha()}.json", "{ this is not JSON")


def record_with_a_digest_that_is_none(repo: Monorepo) -> None:
    edit_release(repo, "latest")


def record_with_an_unknown_field(repo: Monorepo) -> None:
    record = repo.record("environments/production.json")
    repo.rewrite("environments/production.json", json.dumps({**record, "approved": True}))


def record_of_another_environment(repo: Monorepo) -> None:
    record = repo.record("environments/staging.json")
    repo.rewrite("environments/production.json", json.dumps(record))


def record_of_a_release_that_is_not_there(repo: Monorepo) -> None:
    record = repo.record("environments/production.json")
    repo.rewrite("environments/production.json", json.dumps({**record, "release": "0" * 12}))


TAMPERINGS = [
    Tampering(pointer_to_other_bytes, ("production web pointer",)),
    Tampering(pointer_to_an_index, ("production web pointer",)),
    Tampering(pointer_removed, ("production web pointer", "found nothing")),
    Tampering(commit_tag_to_other_bytes, ("production web commit tag", "staging web commit tag")),
    Tampering(manifest_deleted, ("production web bytes", "found nothing")),
    Tampering(config_deleted, ("production web revision label", "is missing")),
    Tampering(label_of_another_commit, ("production web revision label", "f" * 40)),
    Tampering(record_with_another_digest, ("production web bytes", "sha256:" + "0" * 64)),
    Tampering(record_of_an_index, ("production web media type", "image.index")),
    Tampering(record_that_is_no_json, ("releases/", "not a valid record"), code=5),
    Tampering(record_with_a_digest_that_is_none, ("services.web.digest", "'latest'"), code=5),
    Tampering(record_with_an_unknown_field, ("environments/production.json", "approved"), code=5),
    Tampering(record_of_another_environment, ("environments/production.json",), code=5),
    Tampering(record_of_a_release_that_is_not_there, ("production", "0" * 12, "no record")),
]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: one.do.__name__)
def test_tampering_is_found_and_named(released: Monorepo, tampering: Tampering) -> None:
    """Whatever was changed behind the pipeline's back, verify fails and says where."""
    tampering.do(released)
    done = released.inv("verify", expect=tampering.code)
    for words in tampering.named:
        assert words in done.err


def test_expected_is_shown_beside_found(released: Monorepo) -> None:
    """A row that does not hold has both digests in full."""
    images = released.images("web")
    expected = images.require("production").digest
    pointer_to_other_bytes(released)
    found = images.require("production").digest
    done = released.inv("verify", expect=9)
    assert f"expected {expected}, found {found}" in done.err


def test_environments_with_different_releases_are_not_identical(updated: Monorepo) -> None:
    """Each is as recorded, so --each is content; together they differ, and that is named."""
    updated.inv("promote", "staging")
    assert "same as staging" in updated.inv("verify", expect=9).err
    updated.inv("verify", "--each")
    updated.inv("verify", "--env", "production")
    updated.inv("verify", "--env", "staging", "--env", "production", expect=9)


def test_an_environment_that_runs_nothing_does_not_hold(built: Monorepo) -> None:
    """Where nothing was promoted there is nothing to prove, and that is no success."""
    assert "staging" in built.inv("verify", expect=9).err


def test_an_open_promotion_does_not_hold(updated: Monorepo) -> None:
    """An environment in the middle of a promotion is not reported as fine."""
    updated.leave_open("staging")
    assert "in progress" in updated.inv("verify", expect=9).err


def test_an_unknown_environment_is_refused(released: Monorepo) -> None:
    """A misspelt name ends with 2, never with a proof about nothing."""
    done = released.inv("verify", "--env", "prodution", expect=2)
    assert "perhaps you meant 'production'" in done.err


def test_evidence_as_json(released: Monorepo) -> None:
    """--json prints one document, whether all holds or not, with every row's verdict."""
    good = released.inv("verify", "--json").json()
    assert good["holds"] is True
    assert all(row["holds"] for row in good["evidence"])
    pointer_to_other_bytes(released)
    bad = released.inv("verify", "--json", expect=9).json()
    assert bad["holds"] is False
    (row,) = [row for row in bad["evidence"] if not row["holds"]]
    assert (row["environment"], row["service"], row["check"]) == ("production", "web", "pointer")


def test_the_workflows_summary_gets_a_table(released: Monorepo, tmp_path: Path) -> None:
    """$GITHUB_STEP_SUMMARY gets a Markdown table, after what is in it already."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    released.inv("verify", env={"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text()
    assert text.startswith("# Before\n")
    digest = released.digests("production")["web"]
    assert digest is not None
    assert [line for line in text.splitlines() if line.startswith("|") and digest in line]


def test_status_shows_what_runs_where(released: Monorepo) -> None:
    """Each environment and service has its commit, subject and digest, and is in step."""
    done = released.inv("status", "--all")
    for environment in ("staging", "production"):
        for service in SERVICES:
            row = done.row(environment, released.sha(), "Begin", service)
            assert "in sync" in row


def test_status_shows_a_pointer_out_of_step(released: Monorepo) -> None:
    """A pointer that was moved behind the pipeline's back is out of step, with what it names."""
    pointer_to_other_bytes(released)
    found = released.images("web").require("production").digest
    rows = released.inv("status", "--json").json()
    (row,) = [row for row in rows if not row["in_sync"]]
    assert (row["environment"], row["service"], row["pointer"]) == ("production", "web", found)


def test_status_is_a_line_for_each_environment(released: Monorepo) -> None:
    """What is in sync takes one line; what is not is named below, and decides only --check."""
    short = released.inv("status", "--check")
    assert [line.split()[0] for line in short.out.splitlines()] == [
        *("environment", "staging", "production")
    ]
    pointer_to_other_bytes(released)
    assert "names" in released.inv("status").row("production", "web", "pointer")
    assert "out of sync: production" in released.inv("status", "--check", expect=9).err


def test_status_before_the_first_promotion(built: Monorepo) -> None:
    """Environments that run nothing are listed as such."""
    assert "nothing yet" in built.inv("status").row("production", "nothing", "yet")


def test_sha_prints_the_tag_and_sets_the_output(built: Monorepo, tmp_path: Path) -> None:
    """`inv sha` prints twelve digits, and a workflow gets them as `sha=…`."""
    output = tmp_path / "output"
    done = built.inv("sha", env={"GITHUB_OUTPUT": str(output)})
    assert done.out == f"{built.git('rev-parse', 'HEAD')[:12]}\n"
    assert output.read_text() == f"sha={done.out}"


def test_sha_of_another_commit(built: Monorepo) -> None:
    """`inv sha --sha COMMIT` is about that commit."""
    before = built.sha()
    built.commit("Another")
    assert built.inv("sha", "--sha", "HEAD~1").out.strip() == before


def repush(repo: Monorepo, tag: str, stored: Stored) -> None:
    repo.images("web").put(tag, stored)


def edit_release(repo: Monorepo, digest: str) -> None:
    """Change web's recorded digest by hand."""
    path = f"releases/{repo.sha()}.json"
    record = repo.record(path)
    record["services"]["web"]["digest"] = digest
    repo.rewrite(path, json.dumps(record))
