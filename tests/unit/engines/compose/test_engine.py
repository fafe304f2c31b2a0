"""A release on one host: what Compose is told, and what is made of its answers."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml

from buildonce.engines.base import UNTOUCHED, Deployment, Target
from buildonce.engines.compose.contents import LABEL
from buildonce.engines.compose.engine import Compose, remains
from buildonce.errors import DeployError, UnavailableError, UsageError
from buildonce.refs import Digest, Repository
from tests.kit.docker_script import DockerScript
from tests.kit.samples import files

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]

WEB = Repository("r.example", "web").at(Digest("sha256:" + "a" * 64))
TOKEN = "hunter22"
BUNDLE = "services: {web: {image: $BUILDONCE_IMAGE_WEB}, db: {image: 'valkey:8'}}\n"
MODEL: dict[str, Any] = {
    "services": {
        "web": {
            "image": str(WEB),
            "depends_on": {"db": {"condition": "service_started"}},
            "environment": {"TOKEN": TOKEN},
        },
        "db": {"image": "valkey:8"},
    }
}
INSPECT = "inspect --type container *"
NAME = "shop-pre-deploy-012345"


def container(service: str = "web", **state: object) -> dict[str, Any]:
    labels = {"service": service, "container-number": "1", "oneoff": "False"}
    return {
        "Id": f"{service}-0123456789abcdef",
        "Name": f"/shop-{service}-1",
        "Image": "sha256:" + "a" * 64,
        "RestartCount": 0,
        "State": {"Status": "running", "Running": True, "StartedAt": "3:00", **state},
        "Config": {"Labels": {f"com.docker.compose.{k}": v for k, v in labels.items()}},
    }


UP = [container("web"), container("db")]
ILL = [container("web", Health={"Status": "unhealthy"}), container("db")]


def engine(
    script: DockerScript, model: dict[str, Any] = MODEL, host: str = "ssh://h",
    timeout: float = 120.0, limit: float | None = None,
) -> Compose:  # fmt: skip
    """An engine for a release of which everything runs already."""
    script.answers("config --format json*", model)
    script.answers("container ls *", "web-0123456789abcdef db-0123456789abcdef")
    script.answers(INSPECT, UP)
    aimed = Target("production", "compose", host, "shop", timeout=timeout, pre_deploy_timeout=limit)
    return Compose(Deployment(aimed, "012345", files(), {"web": WEB}, bundle=BUNDLE))


def deploy(made: Compose) -> None:
    made.deploy(lambda _: None)


def failure(made: Compose) -> DeployError:
    with pytest.raises(DeployError) as failed:
        deploy(made)
    return failed.value


def test_a_deploy_waits_until_compose_is_done(docker_script: DockerScript) -> None:
    """Containers from before are not judged until then: Compose may yet replace them."""
    made = engine(docker_script)
    docker_script.answers(INSPECT, UP, ILL, UP)
    docker_script.answers("up --detach *", "", after=INSPECT)
    deploy(made)
    assert len(docker_script.calls("inspect --type container")) >= 3
    assert docker_script.given().strip() == made.render().strip()


def test_a_container_that_is_kept_has_to_be_well(docker_script: DockerScript) -> None:
    """A failure names the service and the host, with its log, where nothing secret is shown."""
    made = engine(docker_script)
    docker_script.answers(INSPECT, ILL)
    docker_script.answers("logs *", f"no access with {TOKEN}")
    failed = failure(made)
    assert failed.message.endswith("is unhealthy")
    assert (failed.service, failed.host) == ("web", "ssh://h")
    assert list(failed.log) == ["no access with ***"]
    assert failed.hint == "docker --host ssh://h logs web-01234567"


def test_a_service_without_a_container_is_waited_for(docker_script: DockerScript) -> None:
    """That Compose is done does not make it so; there is no log to show."""
    made = engine(docker_script, timeout=1.0)
    docker_script.answers(INSPECT, [container("web")])
    failed = failure(made)
    assert "has no container after 1 s" in failed.message
    assert (failed.service, failed.log, failed.hint) == ("db", (), "")
    assert docker_script.calls("logs") == []


def test_what_stops_meanwhile_is_started_once(docker_script: DockerScript) -> None:
    """A container that was up and that Compose kept was stopped by something else, or is broken."""
    made = engine(docker_script)
    ended = [container("web", Status="exited", ExitCode=1), container("db")]
    docker_script.answers(INSPECT, UP, ended)
    assert failure(made).message.endswith("ended (exit code 1)")
    assert len(docker_script.calls("up --detach")) == 2


def test_composes_refusal_ends_a_deploy(docker_script: DockerScript) -> None:
    """Its last word is passed on, without what is secret."""
    made = engine(docker_script)
    docker_script.refuses("up --detach *", f"cannot use {TOKEN}")
    failed = failure(made)
    assert failed.message.endswith("Compose could not apply the release: cannot use ***")


def test_the_content_of_a_config_is_part_of_what_is_applied(docker_script: DockerScript) -> None:
    """Compose does not see another content: a label of the service has it changed."""
    web = {**MODEL["services"]["web"], "configs": [{"source": "app"}]}
    services = {**MODEL["services"], "web": web}
    model = {"services": services, "configs": {"app": {"content": "price = 5"}}}
    deploy(engine(docker_script, model))
    given = yaml.safe_load(docker_script.given())["services"]
    assert LABEL in given["web"]["labels"]
    assert "labels" not in given["db"]


def test_a_pull_gets_what_others_made_as_well(docker_script: DockerScript) -> None:
    """The release's images by digest, and whatever else Compose finds missing."""
    made = engine(docker_script)
    assert made.pulls
    made.pull()
    pulls = docker_script.calls("pull")
    assert [line.split(" pull ")[1] for line in pulls] == [
        f"--quiet {WEB}",
        "--policy missing --ignore-buildable",
    ]


def test_an_image_of_others_that_cannot_be_pulled(docker_script: DockerScript) -> None:
    """The environment, the file and the reason are told, without what is secret."""
    made = engine(docker_script)
    docker_script.refuses("pull --policy *", f"no access with {TOKEN}")
    with pytest.raises(UnavailableError) as failed:
        made.pull()
    assert failed.value.message == (
        "production (ssh://h) cannot pull what deploy/compose.yaml needs besides: "
        "no access with ***"
    )


def test_a_definition_that_compose_refuses_is_not_usable(docker_script: DockerScript) -> None:
    """Before anything is changed, and without what is secret."""
    made = engine(docker_script)
    made.check()
    docker_script.refuses("config --quiet", f"bad value {TOKEN}")
    with pytest.raises(UsageError, match=r"release 012345 cannot be used: bad value \*\*\*"):
        made.check()


def run_once(made: Compose) -> list[str]:
    """Run the pre-deploy command, and return what it says of its progress."""
    told: list[str] = []
    made.run_once("web", ["migrate", "--to", "a b"], told.append)
    return told


def step_failure(made: Compose) -> DeployError:
    with pytest.raises(DeployError) as failed:
        run_once(made)
    assert failed.value.hint == UNTOUCHED
    assert (failed.value.service, failed.value.host) == ("web", made.deployment.target.host)
    return failed.value


def changes(script: DockerScript) -> list[str]:
    """What was done to containers, as far as it comes after the project's own options."""
    lines = [line.split("--file - ")[-1] for line in script.calls()]
    return [line for line in lines if line.startswith(("up", "run", "--host ssh://h container"))]


def test_a_command_runs_once_what_it_needs_is_up(docker_script: DockerScript) -> None:
    """In a new container, which has the promotion's name and is removed in the end."""
    made = engine(docker_script)
    docker_script.answers(INSPECT, [])
    assert run_once(made) == []
    removal = f"--host ssh://h container rm --force --volumes {NAME}"
    assert changes(docker_script) == [
        "up --detach --no-build --no-recreate --no-deps --wait db",
        removal,
        f"run --rm --no-deps --no-TTY --name {NAME} web migrate --to a b",
        removal,
    ]


def test_a_command_that_needs_nothing_of_others_runs_alone(docker_script: DockerScript) -> None:
    """Nothing is started ahead of it."""
    made = engine(docker_script, {"services": {"web": {"image": str(WEB)}}})
    docker_script.answers(INSPECT, [])
    run_once(made)
    assert docker_script.calls("up --detach") == []


def test_a_command_that_fails_is_told_with_its_log(docker_script: DockerScript) -> None:
    """The command as it is typed, and its last lines without what is secret."""
    made = engine(docker_script)
    docker_script.answers(INSPECT, [])
    docker_script.refuses("migrate *", f"no access with {TOKEN}")
    failed = step_failure(made)
    assert "failed in the pre-deploy command (migrate --to 'a b')" in failed.message
    assert list(failed.log) == ["no access with ***"]
    assert changes(docker_script)[-1].endswith(f"rm --force --volumes {NAME}")


def test_a_command_that_takes_too_long_is_stopped(docker_script: DockerScript) -> None:
    """The setting that says how long it may take is named."""
    made = engine(docker_script, limit=0.3)
    docker_script.answers(INSPECT, [])
    docker_script.answers("migrate *", "", after=INSPECT)
    failed = step_failure(made)
    assert "was stopped (no end after 0 s, as pre_deploy.timeout says)" in failed.message


def test_what_a_command_needs_may_not_come_up(docker_script: DockerScript) -> None:
    """The command does not run, and what it needs is named."""
    made = engine(docker_script)
    docker_script.answers(INSPECT, [])
    docker_script.refuses("--wait db", f"db is unhealthy with {TOKEN}")
    failed = step_failure(made)
    assert "needs db for the pre-deploy command, which did not come up" in failed.message
    assert "db is unhealthy with ***" in failed.message
    assert docker_script.calls("run --rm") == []


@pytest.mark.parametrize("code", ["0", "3"])
def test_a_command_that_runs_already_is_waited_for(docker_script: DockerScript, code: str) -> None:
    """Whoever held the promotion before has left it: its end is this one's."""
    made = engine(docker_script)
    docker_script.answers("container wait *", f"{code}\n")
    if code == "0":
        assert run_once(made) == [f"waiting for {NAME}, which runs already"]
    else:
        assert "failed in the pre-deploy command" in step_failure(made).message
    assert docker_script.calls("run --rm") == []
    assert docker_script.calls("container wait") == [f"--host ssh://h container wait {NAME}"]


@pytest.mark.parametrize(("host", "shown"), [("ssh://h", "ssh://h"), ("", "the local engine")])
def test_what_runs_is_told_with_where(docker_script: DockerScript, host: str, shown: str) -> None:
    """Each container of the project has the host that it was found on."""
    rows = engine(docker_script, host=host).running()
    assert [(row.host, row.service, row.state) for row in rows] == [
        (shown, "db", "running"),
        (shown, "web", "running"),
    ]


def test_what_remains_of_a_project_is_named_with_what_removes_it(
    docker_script: DockerScript,
) -> None:
    """Its containers by name, whether or not a definition has them."""
    engine(docker_script)
    left = remains(Target("production", "compose", "ssh://h", "shop"))
    assert left.names == ("shop-db-1", "shop-web-1")
    assert left.removal == "docker --host ssh://h compose --project-name shop down"


def test_what_a_deploy_runs_is_shown_as_it_is_typed(docker_script: DockerScript) -> None:
    """Pulls first, then Compose with the definition on its standard input."""
    pull, others, up = engine(docker_script).commands()
    assert pull == f"docker --host ssh://h pull --quiet {WEB}"
    assert others.endswith("pull --policy missing --ignore-buildable < FILE")
    assert up.endswith("up --detach --no-build --remove-orphans < FILE")
