"""What did not change is not built: releases reuse the images of the same inputs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from buildonce.commands.build import build_commit
from buildonce.commands.changes import changes
from buildonce.commands.inputs import candidates
from buildonce.commands.promote import promote
from buildonce.commands.prune import prune
from buildonce.commands.verify import verify
from buildonce.errors import IntegrityError, PreconditionError, UnavailableError
from buildonce.ledger import releases
from buildonce.ledger.records.release import ImageRecord, Release
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import EARLY, push

DOCKERFILES = {f"{name}/Dockerfile": f"FROM scratch\nCOPY {name} /\n" for name in ("web", "jobs")}

PUSHING = threading.Lock()
"""The registry mixes up two uploads of one blob that arrive together."""


@pytest.fixture
def repo(project: Monorepo) -> Monorepo:
    """A monorepo whose first commit was built, each image with the identity of its inputs."""
    project.commit("No base", DOCKERFILES)
    as_built(project)
    return project


def as_built(repo: Monorepo, **reuse: Any) -> dict[str, ImageRecord]:
    """Push images of HEAD and record them, as Buildx and a build would."""
    there = app(repo, bases={}, **reuse)
    snapshot, commit = there.ledger.read(), there.commit()
    tags = {name: there.project.repository(name).tag(there.sha(commit)) for name in repo.services}
    found = candidates(there, snapshot, commit, tags)
    with PUSHING:
        images = {
            name: push(repo, name, commit.revision).model_copy(
                update={
                    "identity": candidate.inputs.identity,
                    "settings": candidate.inputs.settings,
                }
            )
            for name, candidate in found.items()
        }
    release = Release(
        revision=commit.revision, sha=there.sha(commit), expects=repo.services, services={},
        built_at=EARLY, built_by="Bo Builder <bo@example.org>", built_with="a test",
    )  # fmt: skip
    there.ledger.append(lambda before: releases.built(before, release, images))
    return images


def build(repo: Monorepo, **settings: Any) -> str:
    """Build HEAD where no engine answers; return what was said."""
    there = app(repo, bases={}, **settings)
    build_commit(there, "HEAD", [])
    return heard(there)


def dry_build(
    repo: Monorepo, services: Sequence[str] = (), *, reuse: bool = True, **options: Any
) -> str:
    there = app(repo, bases={}, dry_run=True, reuse=reuse)
    build_commit(there, "HEAD", services, **options)
    return heard(there)


def test_a_commit_that_touches_no_service_builds_nothing(repo: Monorepo) -> None:
    """Its release has the very bytes of the one before, tagged as its own, without an engine."""
    first = repo.sha()
    second = repo.commit("Words", {"README.md": "more\n"})
    said = build(repo)
    assert repo.digests(second) == repo.digests(first)
    assert f"unchanged: web, jobs (built from {first})" in said
    record = repo.record(f"releases/{second}.json")["services"]["web"]
    assert record["built_from"] == repo.git("rev-parse", "HEAD~1")
    assert build(repo).startswith(f"{second} is built already")


def test_only_what_changed_would_be_built(repo: Monorepo) -> None:
    """A dry run says what is built and why, and what is reused and from which commit."""
    first = repo.sha()
    repo.commit("Change", {"web/web.txt": "changed\n", "web/new.txt": "new\n"})
    said = dry_build(repo)
    assert f"web: 2 files of its inputs changed since {first}" in said
    assert f"unchanged since {first}: jobs" in said
    assert "bake.json" not in said
    assert "bake.json" in dry_build(repo, details=True)
    with pytest.raises(UnavailableError):
        build(repo)


def test_every_part_of_the_inputs_is_a_reason(repo: Monorepo) -> None:
    """Attributes that apply count as files of the inputs; a list that changed is told as such."""
    first = repo.sha()
    repo.commit("Attributes", {".gitattributes": "*.png binary\n"})
    assert f"web, jobs: 1 file of its inputs changed since {first}" in dry_build(repo)
    as_built(repo)
    table = (repo.root / "pyproject.toml").read_text()
    repo.commit("Inputs", {"pyproject.toml": table.replace('"web", ', '"web", "tasks.py", ')})
    assert "web: the list of its inputs changed since" in dry_build(repo)


def test_what_is_the_same_again_is_not_built_again(repo: Monorepo) -> None:
    """A revert has the inputs of an earlier commit, and reuses that one's image."""
    first = repo.sha()
    repo.commit("Change", {"web/web.txt": "changed\n"})
    as_built(repo)
    third = repo.commit("Revert", {"web/web.txt": "web\n"})
    build(repo)
    assert repo.digests(third) == repo.digests(first)


def test_without_reuse_every_commit_is_built(repo: Monorepo) -> None:
    """`reuse = false` takes nothing over, although nothing changed, and that is the reason."""
    repo.commit("Words", {"README.md": "more\n"})
    assert "web, jobs: reuse = false" in dry_build(repo, reuse=False)
    with pytest.raises(UnavailableError):
        build(repo, reuse=False)


def test_an_image_whose_bytes_are_gone_is_built_anew(repo: Monorepo) -> None:
    """Nothing is reused that the registry no longer has, and the reason is told."""
    for name in repo.services:
        repo.images(name).delete(str(repo.digests(repo.sha())[name]))
    repo.commit("Words", {"README.md": "more\n"})
    assert "is gone" in dry_build(repo)


@pytest.mark.parametrize("part", ["configuration", "layer"])
def test_an_image_of_which_a_part_is_gone_is_named(repo: Monorepo, part: str) -> None:
    """The registry takes no tag of it: 5, the image, the part, and the command that mends it."""
    stored = repo.images("web").require(repo.sha())
    document = stored.document
    blob = document["config"]["digest"] if part == "configuration" else stored.layers[0]
    repo.images("web").delete_blob(blob)
    sha = repo.commit("Words", {"README.md": "more\n"})
    with pytest.raises(IntegrityError, match=rf"/web@{stored.digest}: {part} {blob}$") as refused:
        build(repo)
    assert refused.value.hint.startswith(f"inv build --sha {sha} --service=web --fresh --reason=")
    assert "web: the registry lost parts" in dry_build(
        repo, services=["web"], fresh="the registry lost parts"
    )


def test_a_fresh_build_needs_a_release_that_is_not_recorded(repo: Monorepo) -> None:
    """--fresh builds what has an image, with the reason; what is recorded it leaves, exit 3."""
    with pytest.raises(PreconditionError, match="is built already") as refused:
        dry_build(repo, fresh="openssl was patched")
    assert "git commit --allow-empty" in refused.value.hint
    repo.commit("Refresh")
    assert "web, jobs: openssl was patched" in dry_build(repo, fresh="openssl was patched")


def test_a_carried_over_release_is_proven(repo: Monorepo) -> None:
    """It is promoted and verified like any other; both commands tell what it was built from."""
    first = repo.sha()
    promote(app(repo), "staging", first)
    second = repo.commit("Words", {"README.md": "more\n"})
    build(repo)
    there = app(repo)
    changes(there, "staging", second)
    assert f"identical, built from {first}" in heard(there)
    promote(app(repo), "staging", second)
    there = app(repo)
    verify(there, ["staging"], each=True, as_json=False)
    assert f"revision label, built from {first}" in heard(there)


def test_two_commits_with_one_identity_agree(repo: Monorepo, tmp_path: Path) -> None:
    """Built at the same time from different clones, they end with one recorded digest."""
    repo.commit("Change", {"web/web.txt": "changed\n"})
    clones = [repo.clone(tmp_path / name) for name in ("one", "two")]
    for clone in clones:
        clone.git("commit", "--quiet", "--allow-empty", f"--message={clone.root.name}")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(as_built, clones))
    one, two = (repo.record(f"releases/{clone.sha()}.json")["services"] for clone in clones)
    assert one["web"]["digest"] == two["web"]["digest"]
    assert (one["web"]["built_from"], two["web"]["built_from"]).count(None) == 1


def test_pruning_keeps_images_that_a_release_has(repo: Monorepo) -> None:
    """The release that an image was built for may go; while another has it, it is reused."""
    first = repo.sha()
    second = repo.commit("Words", {"README.md": "more\n"})
    build(repo)
    prune(app(repo, prune={"keep_releases": 1, "keep_for": "1s"}))
    assert repo.digests(first) == {"web": None, "jobs": None}
    third = repo.commit("More words", {"README.md": "and more\n"})
    build(repo)
    assert repo.digests(third) == repo.digests(second)


def test_pruning_forgets_images_that_no_release_has(repo: Monorepo) -> None:
    """When the last release with an image goes, its record goes with it."""
    repo.commit("Change", {"web/web.txt": "changed\n"})
    as_built(repo)
    known = repo.git("ls-tree", "--name-only", "release-ledger", "images/web/", cwd=repo.origin)
    prune(app(repo, prune={"keep_releases": 1, "keep_for": "1s"}))
    left = repo.git("ls-tree", "--name-only", "release-ledger", "images/web/", cwd=repo.origin)
    assert (len(known.split()), len(left.split())) == (2, 1)
