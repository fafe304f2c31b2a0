"""What comes to an end on a Swarm, or never begins: jobs, one-shots, pre-deploy commands, ports."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import lab
from buildonce.engines import bind
from buildonce.engines.base import Target
from buildonce.errors import DeployError, PreconditionError, UsageError
from buildonce.refs import ImageRef
from tests.kit.hosts import Place
from tests.kit.nightly import nightly
from tests.kit.shop import Shop

QUICK = {"endpoint_mode": "dnsrr"}
ONE_SHOT = {**QUICK, "restart_policy": {"condition": "none"}}
JOB = {**QUICK, "mode": "replicated-job", "restart_policy": {"condition": "none"}}
AGAIN = {**QUICK, "restart_policy": {"condition": "any", "delay": "100ms"}}

Images = dict[str, ImageRef]
Make = Callable[..., Place]


@pytest.fixture(scope="module")
def releases(shop: Shop) -> list[Images]:
    """Two releases of one service."""
    return [{"web": shop.image("web", version)} for version in ("one", "two")]


@pytest.fixture
def stack(hosts: lab.Lab, tmp_path: Path) -> Iterator[Make]:
    """Make a stack whose one service, web, has these settings; it is gone after the test."""
    made: list[Place] = []

    def make(**settings: object) -> Place:
        number = len(made)
        (tmp_path / f"{number}").mkdir()
        file = tmp_path / f"{number}/stack.yaml"
        web = {"image": "${BUILDONCE_IMAGE_WEB:?}", "healthcheck": {"disable": True}, **settings}
        file.write_text(yaml.safe_dump({"services": {"web": web}}))
        project = f"ends{secrets.token_hex(3)}"
        made.append(Place(Target("production", "swarm", hosts.hosts["host1"], project), file, ""))
        return made[-1]

    yield make
    for place in made:
        place.docker("stack", "rm", place.target.project)


def ends_with(code: int) -> list[str]:
    return ["python3", "-c", f"raise SystemExit({code})"]


def runs(place: Place, release: Images) -> None:
    """A deploy of the release succeeds, and its bytes are what ran last."""
    place.deploy(release, within=60)
    assert place.problems(release) == {}
    (row,) = place.running(release)
    assert (row.state, row.digest) == ("completed", release["web"].reference)


@pytest.mark.nightly
@pytest.mark.parametrize("deploy", [pytest.param(JOB, id="job"), nightly(ONE_SHOT, id="one-shot")])
def test_what_is_meant_to_end_is_judged_by_its_latest_run(
    stack: Make, releases: list[Images], deploy: dict[str, object]
) -> None:
    """An update of what has ended before is done once the new bytes have ended with 0."""
    place = stack(command=ends_with(0), deploy=deploy)
    one, two = releases
    runs(place, one)
    runs(place, two)
    assert [row.problem for row in place.running(one)] != [""]
    runs(place, two)


@pytest.mark.parametrize("deploy", [JOB, ONE_SHOT], ids=["job", "one-shot"])
def test_what_ends_badly_fails_the_deploy(
    stack: Make, releases: list[Images], deploy: dict[str, object]
) -> None:
    """After a good run the new one counts, and its first failure is final."""
    place = stack(command=ends_with(0), deploy=deploy)
    place.deploy(releases[0])
    model = yaml.safe_load(place.file.read_text())
    model["services"]["web"]["command"] = ends_with(3)
    place.file.write_text(yaml.safe_dump(model))
    with pytest.raises(DeployError, match=r"non-zero exit \(3\)"):
        place.deploy(releases[1], within=60)


def test_who_ends_without_saying_so_is_told_about_jobs(stack: Make, releases: list[Images]) -> None:
    """A service that Swarm starts again and again is named, with what to write instead."""
    place = stack(command=ends_with(0), deploy=AGAIN)
    with pytest.raises(DeployError, match=r"ended with 0.*mode: replicated-job"):
        place.deploy(releases[0], within=60)


@pytest.mark.nightly
def test_an_unhealthy_server_is_no_one_shot(stack: Make, shop: Shop) -> None:
    """One that is stopped as unhealthy ends with 0 as well: whoever has a check must pass it."""
    sick = {"web": shop.image("web", "unwell", "sick")}
    place = stack(healthcheck={"interval": "1s"}, deploy=ONE_SHOT)
    with pytest.raises(DeployError, match="stopped as unhealthy"):
        place.deploy(sick, within=60)


@pytest.mark.nightly
def test_the_pre_deploy_command_has_a_limit_of_its_own(stack: Make, releases: list[Images]) -> None:
    """A migration outlives the deploy's timeout; its own one stops it, and is named."""
    given = stack(deploy=QUICK).deployment(releases[0])
    sleep = ["python3", "-c", "import time; time.sleep(4)"]
    bind(replace(given, target=replace(given.target, timeout=1))).run_once("web", sleep)
    limited = bind(replace(given, target=replace(given.target, pre_deploy_timeout=1)))
    with pytest.raises(DeployError, match=r"after 1 s, as pre_deploy\.timeout says"):
        limited.run_once("web", ["sleep", "600"])


@pytest.mark.nightly
@pytest.mark.parametrize(("code", "fails"), [(0, False), (3, True)])
def test_a_pre_deploy_command_that_still_runs_is_waited_for(
    stack: Make, releases: list[Images], code: int, fails: bool
) -> None:
    """Who resumes neither kills the migration of who went away, nor runs it a second time."""
    place = stack(deploy=QUICK)
    project, name = place.target.project, f"{place.target.project}_web-pre-deploy"
    sleep = f"import sys, time; time.sleep(6); sys.exit({code})"
    place.docker(
        *("service", "create", "--detach", "--quiet", "--name", name, "--no-healthcheck"),
        *("--mode=replicated-job", "--restart-condition=none", "--endpoint-mode=dnsrr"),
        *(f"--label=com.docker.stack.namespace={project}", str(releases[0]["web"])),
        *("python3", "-c", sleep),
    )
    outcome = pytest.raises(DeployError, match=rf"exit \({code}\)") if fails else nullcontext()
    with outcome:
        place.engine(releases[0]).run_once("web", ends_with(7))
    assert place.docker("stack", "services", "--quiet", project) == ""


@pytest.mark.nightly
def test_a_stack_that_was_just_removed_is_deployed_again(
    stack: Make, releases: list[Images]
) -> None:
    """Networks of it that still go away are no failure: the deploy is tried again."""
    place = stack(deploy=QUICK)
    place.deploy(releases[0])
    place.docker("stack", "rm", place.target.project)
    place.deploy(releases[1])
    assert place.problems(releases[1]) == {}


@pytest.mark.nightly
def test_a_port_of_another_service_is_found_before_anything_is_touched(
    stack: Make, releases: list[Images]
) -> None:
    """A port that another stack publishes on all nodes is named with it; nothing was deployed."""
    port = ["18431:8000"]
    first, second = stack(ports=port), stack(ports=port)
    first.deploy(releases[0])
    first.deploy(releases[0])  # its own port is no clash
    with pytest.raises(PreconditionError) as refused:
        second.deploy(releases[0])
    holder = f"{first.target.project}_web"
    assert f"port 18431/tcp, which web publishes, is taken by the service {holder}" in str(
        refused.value.message
    )
    assert second.docker("stack", "services", "--quiet", second.target.project) == ""


def test_what_is_not_there_is_named_before_anything_is_touched(
    stack: Make, releases: list[Images]
) -> None:
    """External networks, configs and secrets that the Swarm lacks are named; remedies work."""
    place = stack(networks=["out"], configs=["app"], secrets=["key"], deploy=QUICK)
    model = yaml.safe_load(place.file.read_text())
    model |= {"networks": {"out": {"external": True}}, "configs": {"app": {"external": True}}}
    model |= {"secrets": {"key": {"external": True, "name": "the-key"}}}
    place.file.write_text(yaml.safe_dump(model))
    lacks = "the external network out, the external config app, the external secret the-key"
    with pytest.raises(PreconditionError, match=lacks) as refused:
        place.deploy(releases[0])
    assert place.docker("stack", "services", "--quiet", place.target.project) == ""
    for command in refused.value.hint.split("; "):
        words = command.replace("FILE", str(place.file))
        subprocess.run(shlex.split(words), check=True, capture_output=True)
    place.deploy(releases[0])
    place.docker("stack", "rm", place.target.project)
    place.docker("config", "rm", "app")
    place.docker("secret", "rm", "the-key")


@pytest.mark.nightly
def test_a_secret_with_another_content_reaches_the_tasks(
    stack: Make, releases: list[Images], tmp_path: Path
) -> None:
    """Swarm cannot change a secret: another content is another secret, the same one none."""
    key = tmp_path / "key"
    here = {"placement": {"constraints": ["node.hostname==host1"]}}
    place = stack(secrets=["key"], deploy={**QUICK, **here})
    model = yaml.safe_load(place.file.read_text())
    model["secrets"] = {"key": {"file": str(key)}}
    place.file.write_text(yaml.safe_dump(model))
    web = f"--filter=label=com.docker.swarm.service.name={place.target.project}_web"
    seen = []
    for content in ("first", "second", "second"):
        key.write_text(content)
        place.deploy(releases[0])
        seen.append(place.docker("ps", "--quiet", web))
        assert place.docker("exec", seen[-1], "cat", "/run/secrets/key") == content
    assert seen[0] != seen[1] == seen[2]


@pytest.mark.nightly
def test_a_named_secret_with_another_content_is_told_how_to_change(
    stack: Make, releases: list[Images], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swarm refuses it under the same name; with the variable that the remedy shows it works."""
    key = tmp_path / "key"
    key.write_text("first")
    place = stack(secrets=["key"], deploy=QUICK)
    model = yaml.safe_load(place.file.read_text())
    name = f"{place.target.project}_key_${{KEY_VERSION:-1}}"
    model["secrets"] = {"key": {"file": str(key), "name": name}}
    place.file.write_text(yaml.safe_dump(model))
    place.deploy(releases[0])
    key.write_text("second")
    with pytest.raises(DeployError) as failed:
        place.deploy(releases[0])
    assert "name: key_${KEY_VERSION:-1}" in failed.value.hint
    assert place.problems(releases[0]) == {}
    monkeypatch.setenv("KEY_VERSION", "2")
    place.deploy(releases[0])


def test_a_build_without_an_image_is_found_before_anything_is_touched(
    stack: Make, releases: list[Images]
) -> None:
    """A Swarm would refuse it halfway: the service is named, and nothing was deployed."""
    place = stack()
    model = yaml.safe_load(place.file.read_text())
    model["services"]["extra"] = {"build": "."}
    place.file.write_text(yaml.safe_dump(model))
    with pytest.raises(UsageError, match=r"extra .*would be built"):
        place.deploy(releases[0])
    assert place.docker("stack", "services", "--quiet", place.target.project) == ""
