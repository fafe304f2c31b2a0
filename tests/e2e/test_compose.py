"""Releases on a Compose host: deployed, watched, failing, and told apart from what drifted."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

import lab
from buildonce.engines import bind
from buildonce.engines.base import Target
from buildonce.errors import (
    BusyError,
    DeployError,
    IntegrityError,
    PreconditionError,
    UnavailableError,
    UsageError,
)
from buildonce.refs import Digest, ImageRef
from tests.kit.figures import Figures
from tests.kit.hosts import Place, asking, longest_silence
from tests.kit.nightly import nightly
from tests.kit.shop import Shop
from tests.kit.waiting import wait_for

DEFINITION = """\
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB:?}
    restart: unless-stopped
    ports: ["8000:8000"]
    environment: {PASSWORD: "${SHOP_PASSWORD-}"}
  jobs:
    image: ${BUILDONCE_IMAGE_JOBS:?}
    restart: unless-stopped
    depends_on: {web: {condition: service_healthy}, store: {condition: service_healthy}}
  store:
    image: ${STORE_IMAGE}
    command: [sh, -c, "exec valkey-server --protected-mode no"]
    healthcheck: {test: valkey-cli ping, interval: 1s, start_period: 5s, start_interval: 200ms}
"""

Images = dict[str, ImageRef]

MICROSECONDS = len("2026-11-23T03:00:00.000000")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "compose.yaml").write_text(DEFINITION)
    return folder


@pytest.fixture(scope="module")
def one(shop: Shop) -> Images:
    """The release that runs when a test begins."""
    return shop.release("one")


@pytest.fixture(scope="module")
def host1(hosts: lab.Lab, folder: Path) -> Iterator[Place]:
    place = Place(
        Target("production", "compose", hosts.hosts["host1"], f"shop{secrets.token_hex(3)}"),
        folder / "compose.yaml",
        f"{hosts.addresses['host1']}:8000",
        {"STORE_IMAGE": hosts.store_image},
    )
    yield place
    remove(place)


@pytest.fixture
def place(host1: Place, one: Images) -> Place:
    """A host that runs release one."""
    host1.deploy(one)
    host1.said.clear()
    return host1


def remove(place: Place) -> None:
    """Leave nothing of the project on the host."""
    label = f"--filter=label=com.docker.compose.project={place.target.project}"
    ids = place.docker("ps", "--all", "--quiet", label).split()
    if ids:
        place.docker("rm", "--force", "--volumes", *ids)


def test_a_release_runs_by_digest_and_answers(place: Place, one: Images) -> None:
    """After a deploy every container is healthy, runs its digest, and a client is served."""
    rows = {row.service: row for row in place.running(one)}
    assert {name: rows[name].digest for name in one} == {n: r.reference for n, r in one.items()}
    assert {row.state for row in rows.values()} == {"healthy"}
    assert place.version() == "one"


def test_what_stays_the_same_keeps_its_container(place: Place, one: Images, shop: Shop) -> None:
    """Only the service with another digest gets a new container."""
    web, jobs = place.ids("web"), place.ids("jobs")
    place.deploy({**one, "web": shop.image("web", "new")})
    assert place.version() == "new"
    assert place.ids("jobs") == jobs
    assert not place.ids("web") & web


def test_another_config_or_secret_reaches_the_containers(
    place: Place, one: Images, tmp_path: Path
) -> None:
    """Whoever is given another content gets a new container, which has it; nobody else does."""
    definition = yaml.safe_load(DEFINITION)
    definition["services"]["jobs"] |= {"configs": ["app"], "secrets": ["key"]}
    definition |= {"secrets": {"key": {"environment": "KEY"}}}
    web = place.ids("web")
    for content, key in (("one", "k1"), ("two", "k1"), ("two", "k2")):
        file = tmp_path / "compose.yaml"
        file.write_text(yaml.safe_dump({**definition, "configs": {"app": {"content": content}}}))
        there = replace(place, file=file, variables={**place.variables, "KEY": key})
        there.deploy(one)
        (jobs,) = there.ids("jobs")
        assert place.docker("exec", jobs, "cat", "/app", "/run/secrets/key") == content + key
    there.deploy(one)
    assert (there.ids("jobs"), there.ids("web")) == ({jobs}, web)


@pytest.mark.nightly
def test_nothing_to_change_is_left_alone(place: Place, one: Images) -> None:
    """Deploying what runs already restarts nothing and waits for nothing."""
    before = {name: place.ids(name) for name in ("web", "jobs", "store")}
    place.deploy(one)
    assert place.said == []
    assert {name: place.ids(name) for name in before} == before


@pytest.mark.nightly
def test_services_start_in_the_order_of_their_needs(place: Place, shop: Shop) -> None:
    """A service starts only once what it depends on is healthy, two seconds after its start."""
    place.deploy(shop.release("ordered", web="late"))
    (web,), (jobs,) = place.ids("web"), place.ids("jobs")
    assert started_at(place, jobs) - started_at(place, web) >= timedelta(seconds=2)


def started_at(place: Place, container: str) -> datetime:
    said = place.docker("inspect", "--format={{.State.StartedAt}}", container)
    return datetime.fromisoformat(said[:MICROSECONDS])


@pytest.mark.nightly
def test_one_that_never_gets_healthy_is_named_with_its_log(place: Place, shop: Shop) -> None:
    """An unhealthy container ends the deploy, naming service, host and the end of the log."""
    with pytest.raises(DeployError) as failed:
        place.deploy(shop.release("sick", web="sick"))
    assert failed.value.message == f"web on {place.target.host} is unhealthy"
    assert failed.value.log == ("sick starts, password",)


@pytest.mark.nightly
def test_one_that_crashes_after_it_was_healthy_is_named(place: Place, shop: Shop) -> None:
    """A container that is healthy at first and crashes after three seconds fails the deploy."""
    with pytest.raises(DeployError) as failed:
        place.deploy(shop.release("crashing", jobs="crash"))
    assert "jobs 1 is healthy" in place.said
    assert failed.value.service == "jobs"
    assert "out of luck" in failed.value.log


@pytest.mark.nightly
def test_the_limit_holds(place: Place, shop: Shop) -> None:
    """A release that is not up in time has failed, and the message says how far it came."""
    began = time.monotonic()
    with pytest.raises(DeployError, match=r"web on .* is (starting|created) after 6 s"):
        place.deploy(shop.release("slow", web="slow"), within=6)
    assert time.monotonic() - began < 40


@pytest.mark.nightly
def test_the_interruption_is_short(place: Place, shop: Shop, figures: Figures) -> None:
    """A client that keeps asking misses the api only while its one container is replaced."""
    two = shop.release("two")
    bind(place.deployment(two)).pull()
    with asking(place.address) as answers:
        began = time.monotonic()
        place.deploy(two)
        took = time.monotonic() - began
        wait_for(lambda: answers[-1][1] == "two", "an answer of the new release")
    silence = longest_silence(answers)
    figures("Compose, a deploy", seconds=f"{took:.1f}", of_them_interrupted=f"{silence:.2f}")
    assert {answer for _, answer in answers} == {"one", "", "two"}
    assert silence < took


@pytest.mark.nightly
def test_a_digest_that_is_gone_changes_nothing(place: Place, one: Images) -> None:
    """A digest that the registry has no more is found before anything is switched."""
    before = place.ids("web")
    gone = one["web"].repository.at(Digest("sha256:" + "0" * 64))
    with pytest.raises(IntegrityError, match=rf"web: .* cannot pull {gone}: .* no longer has it"):
        place.deploy({**one, "web": gone})
    assert place.ids("web") == before


def test_a_missing_variable_is_named_before_anything_changes(place: Place, one: Images) -> None:
    """A variable that the definition needs and nobody set is named, and nothing was changed."""
    before = place.ids("web")
    needy = replace(place.deployment(one), bundle=DEFINITION.replace("D-}", "D:?is not set}"))
    with pytest.raises(UsageError, match="SHOP_PASSWORD"):
        bind(needy).check()
    assert place.ids("web") == before


@pytest.mark.parametrize("kind", ["network", nightly("volume")])
def test_what_is_not_there_is_named_before_anything_changes(
    place: Place, one: Images, tmp_path: Path, kind: str
) -> None:
    """An external network or volume that the host lacks is named; its remedy makes it."""
    name, before = f"outside-{secrets.token_hex(3)}", place.ids("web")
    definition = yaml.safe_load(DEFINITION)
    uses = {"network": {"networks": ["there"]}, "volume": {"volumes": ["there:/there"]}}[kind]
    definition["services"]["jobs"] |= uses
    there = {**(definition.get(f"{kind}s") or {}), "there": {"external": True, "name": name}}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({**definition, f"{kind}s": there}))
    needy = replace(place, file=tmp_path / "compose.yaml").engine(one)
    with pytest.raises(PreconditionError, match=f"lacks the external {kind} {name}") as refused:
        needy.check()
    assert place.ids("web") == before
    command = refused.value.hint.partition("   (")[0]
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    needy.check()
    place.docker(kind, "rm", name)


@pytest.mark.nightly
def test_composes_own_variables_of_this_machine_decide_nothing(
    place: Place, one: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiles, project and files are the release's and the configuration's, whoever deploys."""
    definition = yaml.safe_load(DEFINITION)
    jobs = {"environment": {"PROJECT": "${COMPOSE_PROJECT_NAME}"}}
    debug = {"image": "${BUILDONCE_IMAGE_JOBS:?}", "profiles": ["debug"]}
    definition["services"] |= {"jobs": definition["services"]["jobs"] | jobs, "debug": debug}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(definition))
    there = replace(place, file=tmp_path / "compose.yaml")
    mine = {"PROFILES": "debug", "PROJECT_NAME": "mine", "FILE": "/mine", "IGNORE_ORPHANS": "1"}
    for name, value in {**mine, "COMPATIBILITY": "1"}.items():
        monkeypatch.setenv(f"COMPOSE_{name}", value)
    there.deploy(one)
    assert there.problems(one) == {}
    assert there.ids("debug") == set()
    (container,) = there.ids("jobs")
    given = there.docker("inspect", "--format={{.Config.Env}}", container)
    assert f"PROJECT={place.target.project}" in given
    monkeypatch.undo()
    there.deploy(one)
    assert there.ids("jobs") == {container}


@pytest.mark.nightly
def test_a_port_that_is_taken_is_named_before_anything_changes(place: Place, one: Images) -> None:
    """Another project that publishes the same port is told who has it; its own is no clash."""
    place.engine(one).check()
    other = replace(place, target=replace(place.target, project="another"))
    with pytest.raises(PreconditionError) as refused:
        other.engine(one).check()
    holder = f"the container {place.target.project}-web-1"
    assert f"port 8000/tcp, which web publishes, is taken by {holder}" in refused.value.message
    assert other.ids("web") == set()


@pytest.mark.parametrize(("code", "up"), [(0, True), (3, False)])
def test_a_one_shot_is_up_once_it_has_ended_with_0(
    host1: Place, one: Images, tmp_path: Path, code: int, up: bool
) -> None:
    """Where its restart policy says that it ends; any other exit code fails the deploy."""
    command = ["python3", "-c", f"raise SystemExit({code})"]
    web = {"image": "${BUILDONCE_IMAGE_WEB:?}", "restart": "no", "command": command}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({"services": {"web": web}}))
    target = replace(host1.target, project=f"once{secrets.token_hex(3)}")
    there, images = (
        replace(host1, file=tmp_path / "compose.yaml", target=target),
        {"web": one["web"]},
    )
    try:
        with nullcontext() if up else pytest.raises(DeployError, match=rf"exit code {code}"):
            there.deploy(images, within=60)
        assert (there.problems(images) == {}) is up
    finally:
        there.docker("rm", "--force", *there.ids("web"))


def test_a_container_name_of_another_project_is_named_before_anything_changes(
    place: Place, one: Images, tmp_path: Path
) -> None:
    """Its own is no clash; another's would end Compose in the middle."""
    name = f"chosen-{secrets.token_hex(3)}"
    definition = yaml.safe_load(DEFINITION)
    definition["services"]["jobs"]["container_name"] = name
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(definition))
    named = replace(place, file=tmp_path / "compose.yaml").engine(one)
    named.check()
    place.docker("create", "--name", name, str(one["web"]))
    with pytest.raises(PreconditionError, match=f"{name}, which jobs has, is taken by a container"):
        named.check()
    place.docker("rm", name)


def test_a_context_names_a_host_too(
    place: Place, one: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host may be the name of a docker context."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    place.docker("context", "create", "far", f"--docker=host={place.target.host}")
    there = replace(place, target=replace(place.target, host="far"))
    assert there.problems(one) == {}


def recreate(place: Place, shop: Shop) -> str:
    definition = bind(place.deployment(shop.release("by-hand"))).render()
    compose(place, definition, "up", "--detach", "--no-deps", "web")
    return "web"


def stop(place: Place, _: Shop) -> str:
    place.docker("stop", *place.ids("jobs"))
    return "jobs"


def delete(place: Place, _: Shop) -> str:
    place.docker("rm", "--force", *place.ids("jobs"))
    return "jobs"


def add_a_stray(place: Place, shop: Shop) -> str:
    project = place.target.project
    labels = {"project": project, "service": "former", "oneoff": "False", "config-hash": "x"}
    options = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    place.docker("run", "--detach", *options, str(shop.image("web", "stray")))
    return "former"


def run_one_off(place: Place, shop: Shop) -> str:
    definition = bind(place.deployment(shop.release("one"))).render()
    compose(place, definition, "run", "--detach", "--no-deps", "jobs")
    return "jobs"


def leave_a_replica(place: Place, shop: Shop) -> str:
    definition = bind(place.deployment(shop.release("one"))).render()
    compose(place, definition, "up", "--detach", "--no-recreate", "--scale=jobs=2", "jobs")
    return "jobs"


def retag(place: Place, shop: Shop) -> str:
    """A container of other bytes under a name that says it is the release's."""
    (web,) = place.ids("web")
    image = str(shop.image("web", "disguised"))
    place.docker("pull", "--quiet", image)
    labels = json.loads(place.docker("inspect", "--format={{json .Config.Labels}}", web))
    place.docker("rm", "--force", web)
    options = [f"--label={key}={value}" for key, value in labels.items()]
    place.docker("run", "--detach", *options, f"--name={place.target.project}-web-1", image)
    return "web"


def compose(place: Place, definition: str, *words: str) -> None:
    project = ("--project-name", place.target.project)
    place.docker("compose", *project, "--file=-", *words, stdin=definition, env=place.variables)


@pytest.mark.parametrize(
    ("drift", "problem"),
    [
        nightly(recreate, "runs "),
        nightly(retag, "runs "),
        nightly(stop, "is exited"),
        nightly(delete, "is missing"),
        nightly(add_a_stray, "does not belong to the release"),
        nightly(run_one_off, "does not belong to the release"),
        nightly(leave_a_replica, "does not belong to the release"),
    ],
)
def test_drift_is_found_and_undone(
    place: Place, one: Images, shop: Shop, drift: Callable[[Place, Shop], str], problem: str
) -> None:
    """What was changed behind the pipeline's back is named, and gone after the next deploy."""
    assert place.problems(one) == {}
    service = drift(place, shop)
    found = place.problems(one)
    assert list(found) == [service]
    assert found[service].startswith(problem)
    for command in filter(None, (row.remedy for row in place.running(one))):
        subprocess.run(command, shell=True, check=True, capture_output=True)
    place.deploy(one)
    assert place.problems(one) == {}


@pytest.mark.nightly
def test_a_stop_that_is_under_way_is_made_good(place: Place, one: Images, shop: Shop) -> None:
    """What is still being stopped as a deploy begins is up when the deploy says so."""
    (web,) = place.ids("web")
    stop = ["docker", "--host", place.target.host, "stop", "--time=3", web]
    with subprocess.Popen(stop, stdout=subprocess.DEVNULL) as stopping:
        place.deploy(two := {**one, "jobs": shop.image("jobs", "new")})
        assert stopping.wait() == 0
    assert place.problems(two) == {}


@pytest.mark.nightly
def test_an_image_without_a_manifest_cannot_be_told(place: Place, one: Images) -> None:
    """A container of an image that is gone from the engine says so; it does not pass."""
    (row,) = [row for row in place.running(one) if row.service == "web"]
    unknown = replace(row, digest=None)
    assert unknown.problem == "runs an image whose digest cannot be determined"


def test_the_step_before_runs_the_new_bytes(place: Place, one: Images, shop: Shop) -> None:
    """The one-off command runs in the new release's image while the old one keeps serving."""
    before = {name: place.ids(name) for name in ("web", "jobs", "store")}
    show = "import os, sys; sys.exit(os.environ['VERSION'])"
    new = place.deployment(shop.release("migrated"))
    with pytest.raises(DeployError) as failed:
        bind(new).run_once("jobs", ["python3", "-c", show])
    assert failed.value.log == ("migrated",)
    assert failed.value.hint == "what ran before the promotion still runs"
    assert {name: place.ids(name) for name in before} == before
    assert place.problems(one) == {}


@pytest.mark.nightly
def test_the_pre_deploy_command_has_a_limit_of_its_own(place: Place, one: Images) -> None:
    """A migration outlives the deploy's timeout; its own one stops it, and is named."""
    given = place.deployment(one)
    sleep = ["python3", "-c", "import time; time.sleep(4)"]
    bind(replace(given, target=replace(given.target, timeout=1))).run_once("web", sleep)
    limited = bind(replace(given, target=replace(given.target, pre_deploy_timeout=1)))
    with pytest.raises(DeployError, match=r"was stopped \(no end after 1 s, as pre_deploy.timeout"):
        limited.run_once("web", sleep)


@pytest.mark.nightly
@pytest.mark.parametrize(("code", "fails"), [(0, False), (3, True)])
def test_a_pre_deploy_command_that_still_runs_is_waited_for(
    place: Place, one: Images, code: int, fails: bool
) -> None:
    """Who resumes neither kills the migration of who went away, nor runs it a second time."""
    given = place.deployment(one)
    name = f"{given.target.project}-pre-deploy-{given.sha}"
    sleep = f"import sys, time; time.sleep(4); sys.exit({code})"
    place.docker("run", "--detach", "--name", name, str(one["jobs"]), "python3", "-c", sleep)
    again = ["python3", "-c", "import sys; sys.exit('ran twice')"]
    if not fails:
        bind(given).run_once("jobs", again)
        return
    with pytest.raises(DeployError) as failed:
        bind(given).run_once("jobs", again)
    assert "ran twice" not in failed.value.log


def test_the_step_before_has_what_it_needs(hosts: lab.Lab, host1: Place, one: Images) -> None:
    """On an empty host the foreign services that a step needs are up before it runs."""
    remove(host1)
    reach = "import socket; socket.create_connection(('store', 6379), 2)"
    given = host1.deployment(one)
    bind(given).check()
    bind(given).run_once("jobs", ["python3", "-c", reach])
    assert host1.ids("store")
    assert not host1.ids("web") | host1.ids("jobs")


def test_a_deploy_that_is_no_longer_ours_is_stopped(place: Place, shop: Shop) -> None:
    """Where somebody else has taken the environment over, Compose is ended, and that is said."""
    looks = iter([None, None, BusyError("locked by another")])

    def still_ours() -> None:
        if (lost := next(looks)) is not None:
            raise lost

    engine = place.engine(shop.release("lost", web="slow"))
    engine.pull()
    with pytest.raises(BusyError, match="locked by another"):
        engine.deploy(place.said.append, still_ours)
    assert not [line for line in command_lines() if {"up", place.target.project} <= set(line)]


def command_lines() -> list[list[str]]:
    """The words of every process of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(file.read_text(errors="replace").split("\0"))
    return found


def test_no_secret_is_shown(place: Place, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password from the environment reaches the container, and nothing that is shown."""
    monkeypatch.setenv("SHOP_PASSWORD", "correct-horse")
    sick = shop.release("leaky", web="sick")
    with pytest.raises(DeployError) as failed:
        place.deploy(sick)
    assert failed.value.log == ("leaky starts, password ***",)
    given = place.deployment(sick)
    shown = [bind(given).render(), *bind(given).commands(), *place.said]
    assert "correct-horse" not in "\n".join([*shown, failed.value.message, failed.value.hint])


def test_pulling_takes_credentials(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry with a password: the client's credentials do, and without them it says so."""
    state = tmp_path_factory.mktemp("auth") / "lab"
    with lab.guarded(state):
        running = lab.up(hosts=1, auth=True, state=state)
        definition = folder / "store.yaml"
        definition.write_text("services: {web: {image: '${BUILDONCE_IMAGE_WEB}'}}")
        target = Target("production", "compose", running.hosts["host1"], "private")
        place = Place(target, definition, "")
        store = ImageRef.parse(running.store_image)
        given = place.deployment({"web": store})
        with pytest.raises(UnavailableError, match=r"web: .* the registry wants credentials") as no:
            bind(given).pull()
        assert no.value.hint.startswith(f"docker login {running.registry}")
        monkeypatch.setenv("DOCKER_CONFIG", str(running.docker_config))
        bind(given).pull()
