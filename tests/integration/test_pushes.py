"""What becomes of a build when the registry has something else, or does not take what is pushed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from buildonce.app import App
from buildonce.commands.build import build_commit
from buildonce.errors import PreconditionError
from buildonce.ledger import releases
from buildonce.ledger.records.release import Release
from buildonce.refs import Digest, parse_digest
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import another
from tests.kit.releases import EARLY, push

DOCKERFILES = {f"{name}/Dockerfile": f"FROM scratch\nCOPY {name} /\n" for name in ("web", "jobs")}


@dataclass
class Pushing:
    """Stands in for Buildx: pushes a tiny image for each target, where its tag is still free.

    ``afterwards`` happens once all is pushed; ``broken`` is what a build ends with instead.
    """

    repo: Monorepo
    afterwards: Callable[[], object] = lambda: None
    broken: str = ""

    def bake(
        self,
        definition: Mapping[str, Any],
        _policy: Mapping[str, Any],
        _on_log: Callable[[str], None],
        _secrets: Collection[str] = (),
    ) -> dict[str, Digest]:
        if self.broken:
            raise PreconditionError(self.broken)
        pushed = {
            service: self._push(service, *target["tags"])
            for service, target in definition["target"].items()
        }
        self.afterwards()
        return pushed

    def _push(self, service: str, ref: str) -> Digest:
        images, (_, _, tag) = self.repo.images(service), ref.rpartition(":")
        if images.get(tag):
            raise PreconditionError(f"failed to push {ref}: the tag is immutable")
        taken = images.get(self.repo.sha())
        image = push(self.repo, service, self.repo.git("rev-parse", "HEAD"))
        images.put(tag, images.require(self.repo.sha()))
        if taken:
            images.put(self.repo.sha(), taken)
        return parse_digest(image.digest)


@pytest.fixture
def repo(project: Monorepo) -> Monorepo:
    """A monorepo whose commit is to be built, of nothing from outside."""
    project.commit("No base", DOCKERFILES)
    return project


def building(builder: Pushing) -> App:
    """The app of a build of HEAD where this stands in for Buildx."""
    there = app(builder.repo, bases={})
    there.__dict__["builds"] = replace(there.builds, builder=lambda: builder)
    return there


def occupy(repo: Monorepo, service: str, *tags: str) -> None:
    """Give tags to an image that no release has."""
    images = repo.images(service)
    image = push(repo, service, repo.git("rev-parse", "HEAD~1"))
    for tag in tags:
        images.put(tag, another(images.require(image.revision[:12]), tag))


def recorded(repo: Monorepo) -> dict[str, str]:
    services = repo.record(f"releases/{repo.sha()}.json")["services"]
    return {name: image["digest"] for name, image in services.items()}


def test_what_is_pushed_is_recorded(repo: Monorepo) -> None:
    """The release has what each service's tag names, and nothing is said of other builds."""
    there = building(Pushing(repo))
    build_commit(there, "HEAD", [])
    assert recorded(repo) == repo.digests(repo.sha())
    assert "recorded" not in heard(there)


def test_a_tag_that_was_pushed_before_is_left_alone(repo: Monorepo) -> None:
    """The image gets the first free tag beside it, which is said and recorded."""
    sha = repo.sha()
    occupy(repo, "web", sha, f"{sha}-2")
    before = [repo.digests(tag)["web"] for tag in (sha, f"{sha}-2")]
    there = building(Pushing(repo))
    build_commit(there, "HEAD", [])
    assert [repo.digests(tag)["web"] for tag in (sha, f"{sha}-2")] == before
    assert recorded(repo)["web"] == repo.digests(f"{sha}-3")["web"]
    assert recorded(repo)["jobs"] == repo.digests(sha)["jobs"]
    said = heard(there)
    assert f"{sha} was pushed before, without a record, and is not overwritten" in said
    assert f"web is pushed as {sha}-3" in said


@pytest.mark.parametrize("of", ["the registry's own", "the build's own"])
def test_what_no_other_tag_helps_is_the_builds_error(repo: Monorepo, of: str) -> None:
    """A push that fails at a free tag, and a build that fails beside a taken one, are told."""
    sha, free = repo.sha(), repo.images("web")
    if of == "the registry's own":
        complaint = f"failed to push {free}:{sha}: no space left on device"
    else:
        complaint = "process make did not complete successfully"
        occupy(repo, "web", sha)
    before = repo.state()
    with pytest.raises(PreconditionError, match=complaint):
        build_commit(building(Pushing(repo, broken=complaint)), "HEAD", [])
    assert repo.state() == before


def pushed_by_somebody(repo: Monorepo) -> None:
    """Somebody moves the tag of the image that was just pushed."""
    images, sha = repo.images("web"), repo.sha()
    images.put(sha, another(images.require(sha), "by hand"))


def recorded_by_another_build(repo: Monorepo) -> None:
    """Another build of the commit, with other bytes for web, is the first to record it."""
    images, revision = repo.images("web"), repo.git("rev-parse", "HEAD")
    mine = images.require(repo.sha())
    images.put(repo.sha(), another(mine, "of another build"))
    made = {"jobs": push(repo, "jobs", revision)}
    theirs = parse_digest(images.require(repo.sha()).digest)
    made["web"] = push(repo, "web", revision).model_copy(update={"digest": theirs})
    release = Release(
        revision=revision, sha=repo.sha(), expects=repo.services, services={},
        built_at=EARLY, built_by="Bo Builder <bo@example.org>", built_with="a test",
    )  # fmt: skip
    app(repo).ledger.append(lambda before: releases.built(before, release, made))


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (pushed_by_somebody, "something else was pushed there; the recorded bytes count"),
        (recorded_by_another_build, "another build was recorded first; its digest is used"),
    ],
)
def test_the_tag_goes_back_to_what_is_recorded(
    repo: Monorepo, happens: Callable[[Monorepo], None], said: str
) -> None:
    """Whoever was faster, the tag names the release's own bytes in the end, and that is said."""
    there = building(Pushing(repo, afterwards=lambda: happens(repo)))
    build_commit(there, "HEAD", [])
    assert recorded(repo) == repo.digests(repo.sha())
    assert f"web:{repo.sha()}: {said}" in heard(there)
