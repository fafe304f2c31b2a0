"""`inv build`: once for each commit, from the commit, read back and recorded."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

import lab
from buildonce.refs import ImageRef
from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import LEDGER, SERVICES, Done, Monorepo, Override, ended
from tests.kit.registry_wire import OCI_MANIFEST, Images, another
from tests.kit.waiting import wait_for


def test_both_services_are_built_in_one_buildx_invocation(
    repo: Monorepo, docker: DockerRecorder
) -> None:
    """A release takes a single run of Buildx, however many services it has."""
    repo.inv("build", "--sha", env=docker.env)
    assert len(docker.builds()) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_plain_manifest_is_pushed_under_twelve_digits(built: Monorepo, service: str) -> None:
    """The commit's tag names one platform's manifest: no index, no attestation beside it."""
    stored = built.images(service).require(built.git("rev-parse", "HEAD")[:12])
    assert stored.media_type == OCI_MANIFEST
    assert set(stored.document) >= {"config", "layers"}
    config = built.images(service).config(built.sha())
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_images_are_labelled_with_their_commit(built: Monorepo) -> None:
    """The labels of the OCI specification say what the image was made of, and from when it is."""
    labels = built.images("web").labels(built.sha())
    assert labels["revision"] == built.git("rev-parse", "HEAD")
    assert labels["version"] == built.sha()
    assert labels["title"] == "web"
    assert labels["base.name"] == "python:3.13-slim"
    assert labels["base.digest"] in built_on(built)
    created = datetime.fromisoformat(labels["created"].replace("Z", "+00:00"))
    assert created.timestamp() == int(built.git("log", "-1", "--format=%ct"))


def test_the_record_has_the_digests_of_the_pushed_bytes(built: Monorepo) -> None:
    """What the ledger says was built is what the registry's bytes hash to."""
    record = built.record(f"releases/{built.sha()}.json")
    digests = {name: image["digest"] for name, image in record["services"].items()}
    assert digests == built.digests(built.sha())
    assert record["revision"] == built.git("rev-parse", "HEAD")


def test_the_layer_cache_is_kept_in_the_registry(built: Monorepo) -> None:
    """A build leaves its cache beside the images, for the next machine."""
    assert all("buildcache" in built.images(service).tags() for service in SERVICES)


def test_uncommitted_changes_do_not_get_in(repo: Monorepo) -> None:
    """A changed, a staged and an untracked file are left out of the image, and that is said."""
    repo.write({"web/web.txt": "changed", "shared/shared.txt": "staged", "web/new.txt": "new"})
    repo.git("add", "shared/shared.txt")
    done = repo.inv("build", "--sha")
    images = repo.images("web")
    assert images.file(repo.sha(), "app/web.txt") == "web\n"
    assert images.file(repo.sha(), "app/shared.txt") == "shared\n"
    assert images.file(repo.sha(), "app/new.txt") is None
    assert "uncommitted changes are left out" in done.err


def test_a_configuration_that_is_not_committed_does_not_count(repo: Monorepo) -> None:
    """Services are built as the commit has them, not as an edit of the folder does."""
    text = (repo.root / "pyproject.toml").read_text()
    repo.write({"pyproject.toml": text.replace('"plain"', '"debug"')})
    done = repo.inv("build", "--sha", "--dry-run", "--details")
    assert '"plain"' in done.out
    assert '"debug"' not in done.out
    assert "uncommitted changes are left out" in done.err


def test_a_submodule_in_the_inputs_is_refused(repo: Monorepo) -> None:
    """A commit has no files of its submodules: 3 and its path, instead of an incomplete image."""
    entry = f"160000,{repo.git('rev-parse', 'HEAD')},web/vendor"
    repo.git("update-index", "--add", "--cacheinfo", entry)
    repo.git("commit", "--quiet", "--message=Vendor")
    done = repo.inv("build", "--sha", expect=3)
    assert "service web: web/vendor is a git submodule" in done.err


def test_a_pointer_of_lfs_is_refused(repo: Monorepo) -> None:
    """Where git writes LFS' pointer for a file, nothing is built of it."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    repo.commit("Large", {"web/.gitattributes": "*.bin filter=lfs\n", "web/a.bin": pointer})
    assert "web/a.bin is in Git LFS" in repo.inv("build", "--sha", expect=3).err


def test_a_build_sees_its_inputs_alone(repo: Monorepo) -> None:
    """What a Dockerfile copies and nobody declared ends with 3, the path and the line to add.

    It is added to the service that copies it, although no other one sees it either.
    """
    copied = "FROM python:3.13-slim\nCOPY . /all/\n"
    repo.commit("Everything", {"web/Dockerfile": copied, "web/run.sh": "true\n"})
    (repo.root / "web/run.sh").chmod(0o755)
    repo.commit("Executable")
    repo.inv("build", "--sha", "--service=web")
    images = repo.images("web")
    assert images.file(repo.sha(), "all/shared/shared.txt") == "shared\n"
    assert images.file(repo.sha(), "all/jobs/jobs.txt") is None
    undeclared = f"{copied}COPY docs /docs/\n"
    repo.commit("Undeclared", {"jobs/Dockerfile": undeclared, "web/web.txt": "2", "docs/a.md": ""})
    done = repo.inv("build", "--sha", expect=3)
    assert 'add "docs" to inputs in [tool.buildonce.services.jobs]' in done.err


def test_one_changed_service_is_built_and_the_other_taken_over(
    built: Monorepo, docker: DockerRecorder
) -> None:
    """The other's digest stays, and Buildx gets the changed one alone; then nothing at all."""
    before = built.digests(built.sha())
    built.commit("Change", {"web/web.txt": "changed\n"})
    built.inv("build", "--sha", env=docker.env)
    after = built.digests(built.sha())
    assert after["jobs"] == before["jobs"]
    assert after["web"] != before["web"]
    assert built.images("web").labels(built.sha())["revision"] == built.git("rev-parse", "HEAD")
    calls = docker.calls()
    built.commit("Words", {"README.md": "words\n"})
    built.inv("build", "--sha", env=docker.env)
    assert built.digests(built.sha()) == after
    assert docker.calls() == calls


def test_a_fresh_build_gives_new_bytes(built: Monorepo) -> None:
    """--fresh runs every command again, is recorded with its reason, and is reused later."""
    random = "FROM python:3.13-slim\nRUN cat /proc/sys/kernel/random/uuid >/now\n"
    built.commit("Random", {"web/Dockerfile": random})
    built.inv("build", "--sha")
    first = built.digests(built.sha())["web"]
    built.commit("Refresh")
    built.inv("build", "--sha", "--fresh", "--reason=openssl was patched")
    second = built.digests(built.sha())["web"]
    assert second != first
    built.commit("Words")
    built.inv("build", "--sha")
    assert built.digests(built.sha())["web"] == second
    identity = built.record(f"releases/{built.sha()}.json")["services"]["web"]["identity"]
    record = built.record(f"images/web/{identity}.json")
    assert (record["generation"], record["reason"]) == (2, "openssl was patched")


def test_a_working_directory_does_not_end_the_caching(repo: Monorepo) -> None:
    """What follows a WORKDIR is taken from the cache, however late its commit is."""
    dockerfile = "FROM python:3.13-slim\nWORKDIR /srv\nRUN cat /proc/sys/kernel/random/uuid >now\n"
    files = {"web/Dockerfile": f"{dockerfile}COPY web/web.txt .\n"}
    repo.commit("Work", files)
    repo.inv("build", "--sha", "--service=web")
    first = repo.images("web").file(repo.sha(), "srv/now")
    repo.commit("Change", {"web/web.txt": "changed\n"})
    repo.inv("build", "--sha", "--service=web", env={"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"})
    assert repo.images("web").file(repo.sha(), "srv/now") == first


def test_an_old_commit_can_be_built(repo: Monorepo) -> None:
    """--sha REV builds that commit's tree, and HEAD stays unbuilt."""
    repo.commit("Change", {"web/web.txt": "newer\n"})
    repo.inv("build", "--sha", "HEAD~1")
    assert repo.images("web").file(repo.sha("HEAD~1"), "app/web.txt") == "web\n"
    assert repo.digests(repo.sha()) == {"web": None, "jobs": None}


@pytest.mark.parametrize("name", ["no-such-branch", "--help", "--output=/tmp/x", "HEAD:web", ""])
def test_a_name_that_is_no_commit_is_refused(repo: Monorepo, name: str) -> None:
    """What is not a commit ends with 3 and its name, also where it looks like an option."""
    done = repo.inv("build", f"--sha={name}", expect=3)
    assert repr(name) in done.err


def test_built_already_builds_nothing(built: Monorepo, docker: DockerRecorder) -> None:
    """The second build says so, starts no docker at all and writes nothing."""
    before = built.state()
    done = built.inv("build", "--sha", env=docker.env)
    assert "is built already" in done.out
    assert docker.calls() == []
    assert built.state() == before


def test_a_commit_tag_with_other_bytes_is_not_overwritten(
    built: Monorepo, docker: DockerRecorder
) -> None:
    """Where :<sha> holds something else than was recorded, the build ends with 5 and no write."""
    images = built.images("web")
    recorded = images.require(built.sha())
    images.put(built.sha(), another(recorded, "somebody else's"))
    before = built.state()
    done = built.inv("build", "--sha", expect=5, env=docker.env)
    assert f"{images}:{built.sha()}" in done.err
    assert recorded.digest in done.err
    assert built.state() == before
    assert docker.calls() == []


def test_a_lost_commit_tag_is_restored_from_the_record(
    built: Monorepo, docker: DockerRecorder
) -> None:
    """A deleted :<sha> comes back as the recorded bytes, without a build."""
    before = built.digests(built.sha())
    built.images("jobs").untag(built.sha())
    built.inv("build", "--sha", env=docker.env)
    assert built.digests(built.sha()) == before
    assert docker.builds() == []


def test_two_builds_of_one_commit_at_the_same_time_agree(
    repo: Monorepo, docker: DockerRecorder, tmp_path: Path
) -> None:
    """Both end well with the same recorded digests, although their bytes differ."""
    arrived = f"ls {tmp_path} | grep -c arrived-"
    docker.before_a_build(
        f"touch {tmp_path}/arrived-$$; while [ $({arrived}) -lt 2 ]; do sleep 0.05; done"
    )
    agree(repo, docker, [flavoured(repo, docker, tmp_path, one) for one in ("sweet", "sour")])


def test_who_pushes_second_yields_to_who_recorded_first(
    repo: Monorepo, docker: DockerRecorder, tmp_path: Path
) -> None:
    """A build that overwrote the tag after another was recorded points it back."""
    recorded = f"git -C {repo.origin} rev-parse --quiet --verify {LEDGER}"
    docker.before_a_build(
        f'case "$INVOKE_BUILDONCE_SERVICES_WEB_ARGS_FLAVOUR" in '
        f"first) until [ -e {tmp_path}/second ]; do sleep 0.05; done ;; "
        f"*) touch {tmp_path}/second; until {recorded} >/dev/null; do sleep 0.05; done ;; esac"
    )
    first, second = [flavoured(repo, docker, tmp_path, one) for one in ("first", "second")]
    _, late = agree(repo, docker, [first, second])
    assert "another build was recorded first" in late.err
    assert "FLAVOUR=first" in repo.images("web").config(repo.sha())["config"]["Env"]


def test_the_record_is_of_what_was_pushed(
    repo: Monorepo, docker: DockerRecorder, tmp_path: Path
) -> None:
    """Bytes that somebody else puts under the tag meanwhile are not what gets recorded."""
    real, images = shutil.which("docker"), repo.images("web")
    docker.before_a_build(
        f'{real} "$@" || exit $?; case "$*" in *--print*) exit 0;; esac; '
        f"touch {tmp_path}/pushed; until [ -e {tmp_path}/replaced ]; do sleep 0.05; done; exit 0"
    )
    build = repo.start("build", "--sha", env=docker.env)
    wait_for((tmp_path / "pushed").exists, "the push")
    pushed = images.require(repo.sha())
    images.put(repo.sha(), another(pushed, "somebody else's"))
    (tmp_path / "replaced").touch()
    done = ended(build)
    assert done.code == 0, done
    record = repo.record(f"releases/{repo.sha()}.json")
    assert record["services"]["web"]["digest"] == pushed.digest
    assert images.require(repo.sha()).digest == pushed.digest
    assert "the recorded bytes count" in done.err


def test_a_first_build_looks_for_no_cache(repo: Monorepo) -> None:
    """Before there is a layer cache Buildx is not sent to look for it; afterwards it is."""
    cache = f"ref={repo.images('web')}:buildcache"
    first = repo.inv("build", "--sha", "--dry-run", "--details").out
    done = repo.inv("build", "--sha")
    repo.commit("Another", {"web/web.txt": "another\n"})
    second = repo.inv("build", "--sha", "--dry-run", "--details").out
    assert [first.count(cache), second.count(cache)] == [1, 2]
    assert "buildcache: not found" not in done.out + done.err


def test_a_base_that_cannot_be_told_is_named(repo: Monorepo) -> None:
    """A FROM that makes no image name ends with 3, the service and its Dockerfile."""
    repo.commit("No base", {"web/Dockerfile": "ARG TAG\nFROM python:$TAG\n"})
    assert "service web, web/Dockerfile: " in repo.inv("build", "--sha", expect=3).err


def test_without_a_docker_client(repo: Monorepo, tmp_path: Path) -> None:
    """On a machine without docker a build ends with 6 and what to install."""
    for program in ("git", "sh"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    for arguments in (("build", "--sha"), ("build",)):
        done = repo.inv(*arguments, expect=6, env={"PATH": str(tmp_path)})
        assert "install docker" in done.err


def test_one_service_first_then_the_rest(repo: Monorepo, docker: DockerRecorder) -> None:
    """--service builds that one; until the others follow, the release cannot be promoted."""
    repo.inv("build", "--sha", "--service", "web")
    first = repo.digests(repo.sha())
    assert first["jobs"] is None
    refused = repo.inv("promote", "staging", expect=3)
    assert "jobs was not built" in refused.err
    assert f"inv build --sha {repo.sha()}" in refused.err
    repo.inv("build", "--sha", env=docker.env)
    assert repo.digests(repo.sha())["web"] == first["web"]
    repo.inv("promote", "staging")


def test_an_unknown_service_is_refused_with_a_suggestion(repo: Monorepo) -> None:
    """A service that the configuration does not have ends with 2 and the name that was meant."""
    done = repo.inv("build", "--sha", "--service", "wbe", expect=2)
    assert "perhaps you meant 'web'" in done.err


def test_a_local_build_is_loaded_and_never_pushed(repo: Monorepo) -> None:
    """Without --sha the folder as it is becomes :dev in the engine, and nothing else."""
    repo.write({"web/web.txt": "just trying\n"})
    before = repo.state()
    repo.inv("build")
    image = f"{repo.images('web')}:dev"
    shown = in_docker(repo, "run", "--rm", "--network=none", image, "cat", "/app/web.txt")
    assert shown == "just trying\n"
    assert repo.state() == before
    repo.inv("promote", "staging", expect=3)


def test_a_build_that_fails_records_nothing(repo: Monorepo) -> None:
    """A broken Dockerfile ends with 3 and the reason; no tag and no record are left."""
    repo.commit("Break it", {"jobs/Dockerfile": "FROM python:3.13-slim\nRUN echo boom && false\n"})
    before = repo.state()
    done = repo.inv("build", "--sha", expect=3)
    assert "boom" in done.err
    assert repo.state().refs == before.refs
    assert repo.digests(repo.sha())["jobs"] is None


def test_a_missing_dockerfile_is_named(repo: Monorepo) -> None:
    """A commit without the Dockerfile that the configuration expects ends with 3 and its path."""
    repo.git("rm", "--quiet", "jobs/Dockerfile")
    repo.commit("Forget it")
    done = repo.inv("build", "--sha", expect=3)
    assert "service jobs, jobs/Dockerfile" in done.err


def test_a_base_image_that_is_not_there_is_named(repo: Monorepo) -> None:
    """A FROM that its registry does not have ends with 3 and the image's name."""
    missing = f"{repo.registry}/library/nothing:1"
    repo.commit("Another base", {"web/Dockerfile": f"FROM {missing}\n"})
    assert missing in repo.inv("build", "--sha", expect=3).err


PINNED = "python:latest"


@pytest.mark.parametrize("written", ["python:latest", "docker.io/python"])
def test_a_pin_is_taken_whatever_name_is_written(
    repo: Monorepo, running: lab.Lab, override: Override, written: str
) -> None:
    """A pin of python:latest is built on, by each of its names; no registry is asked for it."""
    settings = override(bases={PINNED: running.base_image})
    repo.commit("Another name", {"web/Dockerfile": f"FROM {written}\nCOPY web/web.txt /\n"})
    repo.inv("build", "--sha", "--service=web", env=overridden(settings))
    assert stands_on(repo, "web", running.base_image)


def test_a_stage_named_like_its_base_is_built_as_written(
    repo: Monorepo, running: lab.Lab, override: Override
) -> None:
    """FROM base AS base with a pin of base gives the stage, not the image that it begins from."""
    settings = override(bases={"base": running.base_image})
    dockerfile = "FROM base AS base\nCOPY web/web.txt /app/\n"
    repo.commit("Base as base", {"web/Dockerfile": dockerfile})
    repo.inv("build", "--sha", "--service=web", env=overridden(settings))
    assert repo.images("web").file(repo.sha(), "app/web.txt") == "web\n"
    assert stands_on(repo, "web", running.base_image)


def test_the_projects_own_arguments_reach_the_build(repo: Monorepo, override: Override) -> None:
    """REVISION and SOURCE_DATE_EPOCH from the table are not overwritten by the library's."""
    args = {"REVISION": "theirs", "SOURCE_DATE_EPOCH": "86400"}
    settings = override(services={"web": {"args": args}})
    arguments = "ARG REVISION\nENV GOT=$REVISION\n"
    repo.commit("Arguments", {"web/Dockerfile": f"FROM python:3.13-slim\n{arguments}"})
    repo.inv("build", "--sha", "--service=web", env=overridden(settings))
    config = repo.images("web").config(repo.sha())
    assert "GOT=theirs" in config["config"]["Env"]
    assert config["created"] == "1970-01-02T00:00:00Z"


def test_images_that_are_copied_from_are_pinned(
    repo: Monorepo, running: lab.Lab, override: Override
) -> None:
    """COPY --from and RUN --mount take the pinned bytes, where no such image could be pulled."""
    settings = override(bases={"tools:1": running.base_image, "more": running.base_image})
    repo.commit(
        "Tools",
        {
            "web/Dockerfile": "FROM scratch\nCOPY --from=tools:1 /usr /usr\n"
            "COPY --from=tools:1 /bin /bin\nCOPY --from=tools:1 /lib /lib\n"
            "COPY --from=tools:1 /lib64 /lib64\n"
            "RUN --mount=from=more,target=/more ls /more/usr/bin/python3 >/found\n"
        },
    )
    repo.inv("build", "--sha", "--service=web", env=overridden(settings))
    assert repo.images("web").file(repo.sha(), "found") == "/more/usr/bin/python3\n"


def test_the_syntax_line_is_pinned(repo: Monorepo, running: lab.Lab, override: Override) -> None:
    """The image of the syntax line comes by digest: here one that is no frontend, and is named."""
    settings = override(bases={"docker/dockerfile:1": running.base_image})
    repo.commit("Syntax", {"web/Dockerfile": "# syntax=docker/dockerfile:1\nFROM scratch\n"})
    done = repo.inv("build", "--sha", "--service=web", expect=3, env=overridden(settings))
    ref = ImageRef.parse(running.base_image)
    assert str(ref) in done.err


def test_an_image_that_nobody_pinned_is_denied(
    repo: Monorepo, running: lab.Lab, override: Override
) -> None:
    """What only BuildKit sees, as another image's trigger, is refused instead of pulled."""
    trigger = "FROM python:3.13-slim\nONBUILD COPY --from=unseen /etc/passwd /b\n"
    repo.commit("Trigger", {"web/Dockerfile": trigger, "jobs/Dockerfile": "FROM trigger\n"})
    with_unseen = override(
        bases={"python:3.13-slim": running.base_image, "unseen": running.base_image}
    )
    repo.inv("build", "--sha", "--service=web", env=overridden(with_unseen))
    image = f"{repo.images('web')}:{repo.sha()}"
    settings = override(bases={"python:3.13-slim": running.base_image, "trigger": image})
    repo.commit("On it", {"web/Dockerfile": "FROM python:3.13-slim\n"})
    done = repo.inv("build", "--sha", "--service=jobs", expect=3, env=overridden(settings))
    assert "unseen" in done.err
    assert "denied" in done.err
    named = "FROM trigger\nRUN --mount=from=unseen,target=/any true\n"
    assert "name it there, RUN --mount=from=IMAGE,target=/any true" in done.err
    repo.commit("Named", {"jobs/Dockerfile": named})
    bases = dict.fromkeys(["unseen", "python:3.13-slim"], running.base_image)
    settings = override(bases={**bases, "trigger": image})
    repo.inv("build", "--sha", "--service=jobs", env=overridden(settings))


def test_a_pin_of_nothing_is_refused(repo: Monorepo, override: Override) -> None:
    """A key of `bases` that no Dockerfile uses ends with 2, and with what was perhaps meant."""
    settings = override(bases={"python:3.13slim": "python:3.13-slim"})
    done = repo.inv("build", "--sha", expect=2, env=overridden(settings))
    assert "perhaps you meant 'python:3.13-slim'" in done.err


def overridden(settings: Path) -> dict[str, str]:
    """The environment in which `inv` reads these settings."""
    return {"INVOKE_RUNTIME_CONFIG": str(settings)}


def stands_on(repo: Monorepo, service: str, base: str) -> bool:
    """Whether an image begins with all layers of a base image, and its label says so."""
    ref = ImageRef.parse(base)
    images = repo.images(service)
    below = Images(ref.repository.registry, ref.repository.path).require(ref.reference)
    layers = [one["digest"] for one in below.document["layers"]]
    mine = [one["digest"] for one in images.require(repo.sha()).document["layers"]]
    return (
        mine[: len(layers)] == layers
        and len(mine) > len(layers)
        and images.labels(repo.sha())["base.digest"] == ref.reference
    )


def flavoured(
    repo: Monorepo, docker: DockerRecorder, folder: Path, flavour: str
) -> subprocess.Popen[str]:
    """Begin a build of the same commit, elsewhere, that makes other bytes."""
    other = {"INVOKE_BUILDONCE_SERVICES_WEB_ARGS_FLAVOUR": flavour}
    clone = repo.clone(folder / f"clone-{flavour}")
    return clone.start("build", "--sha", env={**docker.env, **other})


def agree(
    repo: Monorepo, docker: DockerRecorder, running: list[subprocess.Popen[str]]
) -> list[Done]:
    """Wait for builds that really built, and see that each tells what was recorded."""
    ends = [ended(process) for process in running]
    assert [end.code for end in ends] == [0] * len(running), ends
    assert len(docker.builds()) == len(running)
    record = repo.record(f"releases/{repo.sha()}.json")
    digests = {name: image["digest"] for name, image in record["services"].items()}
    assert digests == repo.digests(repo.sha())
    assert all(digest[7:19] in end.out for end in ends for digest in digests.values())
    return ends


def built_on(repo: Monorepo) -> str:
    """The base image that the lab has in the place of python:3.13-slim."""
    return Path(repo.env["INVOKE_RUNTIME_CONFIG"]).read_text()


def in_docker(repo: Monorepo, *arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments], env=repo.env, check=True, capture_output=True, text=True
    )
    return done.stdout
