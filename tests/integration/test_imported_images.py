"""A service that something else builds: its image comes into the release by digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from buildonce.app import App
from buildonce.commands.build import build_commit, build_working_tree
from buildonce.commands.changes import changes
from buildonce.commands.promote import promote
from buildonce.commands.verify import verify
from buildonce.errors import BuildonceError, PreconditionError, UsageError
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import OCI_MANIFEST, Images, Stored, another, index_of


def elsewhere(repo: Monorepo) -> Images:
    """Where something else pushes the images of the service `report`."""
    return Images(repo.registry, f"{repo.namespace}-team/report")


def importing(repo: Monorepo, *, dry_run: bool = False) -> App:
    """The app of a project whose one service is built elsewhere."""
    services: Mapping[str, Any] = {"report": {"image": str(elsewhere(repo))}}
    return app(repo, dry_run=dry_run, services=services)


def pushed(repo: Monorepo, tag: str, labels: Mapping[str, str] | None = None) -> Stored:
    """Push an image as another pipeline does."""
    images = elsewhere(repo)
    config = json.dumps({"config": {"Labels": labels}}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": images.put_blob(config),
            "size": len(config),
        },
        "layers": [],
    }
    stored = Stored(json.dumps(manifest).encode(), OCI_MANIFEST)
    images.put(tag, stored)
    return stored


def recorded(repo: Monorepo) -> Any:
    return repo.record(f"releases/{repo.sha()}.json")["services"]["report"]


def refused(repo: Monorepo, *digests: str) -> BuildonceError:
    """The refusal of a build, which must have written nothing."""
    before = repo.state(), elsewhere(repo).tags()
    with pytest.raises((PreconditionError, UsageError)) as error:
        build_commit(importing(repo), "HEAD", [], digests=digests)
    assert (repo.state(), elsewhere(repo).tags()) == before
    return error.value


def test_what_has_the_commits_tag_is_imported(project: Monorepo) -> None:
    """Its digest is recorded, promoted and verified as of any service; nothing is built."""
    stored = pushed(project, project.sha())
    build_commit(importing(project), "HEAD", [])
    assert (recorded(project)["digest"], recorded(project)["imported"]) == (stored.digest, True)
    for environment in ("staging", "production"):
        promote(importing(project), environment)
        assert elsewhere(project).require(environment).digest == stored.digest
    there = importing(project)
    verify(there, [], each=False, as_json=False)
    assert "it was built elsewhere, and no label names a commit" in heard(there)


def test_a_digest_that_is_given_is_imported_and_tagged(project: Monorepo) -> None:
    """What another pipeline pushed under a tag of its own gets the commit's tag as well."""
    stored = pushed(project, "v1")
    build_commit(importing(project), "HEAD", [], digests=[f"report={stored.digest}"])
    assert elsewhere(project).require(project.sha()).digest == stored.digest
    assert recorded(project)["digest"] == stored.digest


def test_a_label_that_names_a_commit_is_proven(project: Monorepo) -> None:
    """The release says which commit the image says it is from, and `verify` compares both."""
    revision = "c" * 40
    pushed(project, project.sha(), {"org.opencontainers.image.revision": revision})
    build_commit(importing(project), "HEAD", [])
    promote(importing(project), "staging")
    there = importing(project)
    verify(there, ["staging"], each=True, as_json=False)
    assert recorded(project)["built_from"] == revision
    assert f"revision label, built from {revision[:12]}" in heard(there)
    assert "no label names a commit" not in heard(there)


def test_a_dry_run_imports_nothing(project: Monorepo) -> None:
    """It names the image that would be imported, and writes neither tag nor record."""
    stored = pushed(project, project.sha())
    before = project.state()
    there = importing(project, dry_run=True)
    build_commit(there, "HEAD", [])
    assert f"import report, built elsewhere, as {project.sha()}" in heard(there)
    assert f"report: {elsewhere(project)}@{stored.digest}" in heard(there)
    assert project.state() == before


def test_an_image_that_is_not_there_is_named(project: Monorepo) -> None:
    """Without the commit's tag, and for a digest that nobody pushed, nothing is recorded."""
    error = refused(project)
    assert f"{elsewhere(project)}:{project.sha()} is not in its registry" in error.message
    assert "--digest report=sha256:" in (error.hint or "")
    digest = f"sha256:{'0' * 64}"
    assert f"@{digest} is not in its registry" in refused(project, f"report={digest}").message


def test_an_index_is_refused(project: Monorepo) -> None:
    """What deploys must be one platform's image: the remedy says how to push one."""
    elsewhere(project).put(project.sha(), index_of(pushed(project, "v1")))
    error = refused(project)
    assert "is an index of several images" in error.message
    assert "--provenance=false" in (error.hint or "")


def test_a_commit_tag_with_other_bytes_is_not_overwritten(project: Monorepo) -> None:
    """Where the tag names something else than the digest that was given, both are named."""
    stored = pushed(project, "v1")
    other = another(stored, "somebody else's")
    elsewhere(project).put(project.sha(), other)
    error = refused(project, f"report={stored.digest}")
    assert f"names {other.digest}, not {stored.digest}" in error.message


def test_a_recorded_digest_does_not_change(project: Monorepo) -> None:
    """Another digest for a release that has the image already is refused."""
    stored = pushed(project, project.sha())
    build_commit(importing(project), "HEAD", [])
    other = f"sha256:{'1' * 64}"
    assert f"as {stored.digest} already, not {other}" in refused(project, f"report={other}").message


def test_a_digest_for_what_is_built_here_is_refused(project: Monorepo) -> None:
    """The option is for services with an `image`, and what it names must be a digest."""
    with pytest.raises(UsageError, match="web is built here"):
        build_commit(app(project), "HEAD", [], digests=["web=sha256:" + "0" * 64])
    assert "sha256" in refused(project, "report=latest").message


def test_it_is_no_part_of_a_local_build(project: Monorepo) -> None:
    """`inv build` of the folder cannot make it, and says where it comes from."""
    with pytest.raises(UsageError, match="report is built elsewhere"):
        build_working_tree(importing(project), ["report"])


def test_no_commit_is_said_to_touch_it(
    project: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which commits changed it cannot be told from this repository; its bytes can."""
    pushed(project, project.sha())
    build_commit(importing(project), "HEAD", [])
    promote(importing(project), "staging")
    project.commit("Words", {"README.md": "words\n"})
    elsewhere(project).put(project.sha(), another(pushed(project, "v1"), "new"))
    build_commit(importing(project), "HEAD", [])
    changes(importing(project), "staging", "HEAD", form="json")
    found = json.loads(capsys.readouterr().out)
    assert [commit["services"] for commit in found["commits"]] == [[]]
    assert list(found["bytes"]) == ["report"]
