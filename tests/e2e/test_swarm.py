"""Releases on a Swarm of three hosts: rolled out, given up, and told apart from what drifted."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import lab
from buildonce.engines import bind
from buildonce.engines.base import Target
from buildonce.errors import DeployError, IntegrityError, PreconditionError
from buildonce.refs import Digest, ImageRef
from tests.kit.figures import Figures
from tests.kit.hosts import Place, kill_daemon
from tests.kit.nightly import nightly
from tests.kit.shop import Shop
from tests.kit.waiting import wait_for

DEFINITION = """\
x-deploy: &deploy
  endpoint_mode: dnsrr
  restart_policy: {delay: 500ms}
  update_config: {order: start-first, failure_action: rollback, monitor: 5s}
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB:?}
    environment: {PASSWORD: "${SHOP_PASSWORD-}"}
    secrets: [key]
    deploy: {<<: *deploy, replicas: 2}
  jobs:
    image: ${BUILDONCE_IMAGE_JOBS:?}
    depends_on: [store]
    deploy: {<<: *deploy, replicas: 1}
  store:
    image: ${STORE_IMAGE}
    command: [sh, -c, "exec valkey-server --protected-mode no"]
    healthcheck: {test: valkey-cli ping, interval: 1s, start_period: 5s, start_interval: 200ms}
    deploy: {endpoint_mode: dnsrr, placement: {constraints: [node.role==manager]}}
networks:
  default: {driver: overlay, attachable: true}
secrets:
  key: {file: "${KEY_FILE}"}
"""

ASK = """
import collections, json, signal, sys, time, urllib.request
answers = collections.Counter()
signal.signal(signal.SIGTERM, lambda *_: (print(json.dumps(answers), flush=True), sys.exit()))
while True:
    try:
        answers[urllib.request.urlopen("http://web:8000", timeout=2).read().decode()] += 1
    except OSError as error:
        answers[f"failed: {error}"] += 1
    print(json.dumps(answers), flush=True)
    time.sleep(0.02)
"""

Images = dict[str, ImageRef]


@pytest.fixture(scope="module")
def one(shop: Shop) -> Images:
    """The release that runs when a test begins."""
    return shop.release("one")


@pytest.fixture(scope="module")
def swarm(hosts: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "stack.yaml").write_text(DEFINITION)
    (folder / "key").write_text("battery-staple\n")
    place = Place(
        Target("production", "swarm", hosts.hosts["host1"], f"shop{secrets.token_hex(3)}"),
        folder / "stack.yaml",
        "",
        {"STORE_IMAGE": hosts.store_image, "KEY_FILE": str(folder / "key")},
    )
    yield place
    remove(place)


@pytest.fixture
def place(swarm: Place, one: Images) -> Place:
    """A Swarm that runs release one."""
    swarm.deploy(one)
    swarm.said.clear()
    return swarm


def remove(place: Place) -> None:
    """Leave nothing of the stack."""
    label = f"--filter=label=com.docker.stack.namespace={place.target.project}"
    place.docker("stack", "rm", place.target.project)
    wait_for(lambda: not place.docker("network", "ls", "--quiet", label), "no network to be left")


def tasks(place: Place, service: str) -> set[str]:
    """The tasks of a service that are meant to run."""
    name = f"{place.target.project}_{service}"
    listed = ("service", "ps", "--quiet", "--filter=desired-state=running", name)
    return set(place.docker(*listed).split())


@contextmanager
def asking(place: Place, client: str) -> Iterator[Callable[[], dict[str, int]]]:
    """Keep asking from within the stack's network; call for how often each answer came."""
    network = f"--network={place.target.project}_default"
    name = f"asking-{secrets.token_hex(4)}"
    place.docker("run", "--detach", "--name", name, network, client, "python3", "-c", ASK)

    def answers() -> dict[str, int]:
        counted: dict[str, int] = json.loads(place.docker("logs", "--tail=1", name) or "{}")
        return counted

    try:
        wait_for(lambda: bool(answers()), "the first answer")
        yield answers
    finally:
        place.docker("rm", "--force", name)


def test_a_release_runs_by_digest_on_every_node(place: Place, one: Images) -> None:
    """After a deploy every task runs its digest, those of the manager as their containers say."""
    rows = place.running(one)
    web = [row for row in rows if row.service == "web"]
    assert len({row.host for row in web}) == 2
    assert {row.digest for row in web} == {one["web"].reference}
    assert {(row.host == "host1", row.source) for row in rows} <= {
        (True, "container"),
        (False, "task"),
    }
    assert place.problems(one) == {}


def test_what_stays_the_same_keeps_its_tasks(place: Place, one: Images, shop: Shop) -> None:
    """Only the service with another digest gets new tasks."""
    web, jobs, store = (tasks(place, name) for name in ("web", "jobs", "store"))
    place.deploy({**one, "jobs": shop.image("jobs", "new")})
    assert (tasks(place, "web"), tasks(place, "store")) == (web, store)
    assert not tasks(place, "jobs") & jobs


def test_no_request_fails(
    place: Place, hosts: lab.Lab, shop: Shop, one: Images, figures: Figures
) -> None:
    """With start-first a client that keeps asking always gets an answer, the old or the new."""
    two = shop.release("two")
    bind(place.deployment(two)).pull()
    with asking(place, hosts.base_image) as answers:
        began = time.monotonic()
        place.deploy(two)
        took = time.monotonic() - began
        seen = answers().get("two", 0)
        wait_for(lambda: answers().get("two", 0) > seen + 10, "ten answers of the new release")
        counted = answers()
    figures("Swarm, a deploy", seconds=f"{took:.1f}", answers=counted)
    assert set(counted) == {"one", "two"}


@pytest.mark.nightly
def test_one_that_never_gets_healthy_is_named_with_its_log(place: Place, shop: Shop) -> None:
    """An update that Swarm gives up ends the deploy, with service, node and the end of the log."""
    with pytest.raises(DeployError) as failed:
        place.deploy(shop.release("sick", web="sick"))
    assert failed.value.service == "web"
    assert failed.value.host.startswith("host")
    assert failed.value.log[0] == "sick starts, password"


@pytest.mark.nightly
def test_one_that_crashes_after_it_was_healthy_is_named(place: Place, shop: Shop) -> None:
    """A task that is healthy at first and crashes after three seconds fails the deploy."""
    with pytest.raises(DeployError, match=r"non-zero exit \(3\)") as failed:
        place.deploy(shop.release("crashing", jobs="crash"))
    assert failed.value.service == "jobs"
    assert "out of luck" in failed.value.log


@pytest.mark.nightly
def test_the_limit_holds(place: Place, shop: Shop) -> None:
    """A release that is not up in time has failed, and the message says how far it came."""
    with pytest.raises(DeployError, match="after 8 s") as failed:
        place.deploy(shop.release("slow", web="slow"), within=8)
    assert "web" in failed.value.message


@pytest.mark.nightly
def test_a_digest_that_is_gone_changes_nothing(place: Place, one: Images) -> None:
    """A digest that the registry has no more is found before anything is switched."""
    before = tasks(place, "web")
    gone = one["web"].repository.at(Digest("sha256:" + "0" * 64))
    with pytest.raises(IntegrityError, match="no longer has it"):
        place.deploy({**one, "web": gone})
    assert tasks(place, "web") == before


def test_an_engine_that_manages_no_swarm_says_so(hosts: lab.Lab, place: Place, one: Images) -> None:
    """A worker, or an engine outside of any Swarm, is told from a manager."""
    target = Target("production", "swarm", hosts.hosts["host2"], place.target.project)
    worker = Place(target, place.file, "", place.variables)
    with pytest.raises(PreconditionError, match="is not a Swarm manager"):
        bind(worker.deployment(one)).check()


@pytest.mark.nightly
def test_the_step_before_runs_the_new_bytes(place: Place, one: Images, shop: Shop) -> None:
    """The job runs in the new release's image, with the service's secrets, and is gone again."""
    before = {name: tasks(place, name) for name in ("web", "jobs", "store")}
    new = place.deployment(shop.release("migrated"))
    bind(new).check()
    show = "import os; print(os.environ['VERSION'], len(open('/run/secrets/key').read()))"
    with pytest.raises(DeployError) as failed:
        bind(new).run_once("web", ["python3", "-c", f"{show}; raise SystemExit(4)"])
    assert failed.value.log == ("migrated 15",)
    assert failed.value.hint == "what ran before the promotion still runs"
    bind(new).run_once("web", ["python3", "-c", show])
    assert {name: tasks(place, name) for name in before} == before
    assert place.problems(one) == {}


@pytest.mark.nightly
def test_the_step_before_has_what_it_needs(swarm: Place, one: Images) -> None:
    """In an empty stack the foreign services that a step needs are up before it runs."""
    swarm.deploy(one)
    remove(swarm)
    given = swarm.deployment(one)
    reach = "import socket; socket.create_connection(('store', 6379), 2)"
    bind(given).run_once("jobs", ["python3", "-c", reach])
    listed = swarm.docker("stack", "services", "--format={{.Name}}", swarm.target.project)
    assert listed == f"{swarm.target.project}_store"


def test_no_secret_is_shown(place: Place, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password from the environment reaches the task, and nothing that is shown."""
    monkeypatch.setenv("SHOP_PASSWORD", "correct-horse")
    sick = shop.release("leaky", web="sick")
    with pytest.raises(DeployError) as failed:
        place.deploy(sick)
    assert failed.value.log[0] == "leaky starts, password ***"
    given = place.deployment(sick)
    shown = [bind(given).render(), *bind(given).commands(), *place.said]
    assert "correct-horse" not in "\n".join([*shown, failed.value.message, failed.value.hint])


def update(place: Place, shop: Shop) -> tuple[str, str]:
    image = f"--image={shop.image('jobs', 'by-hand')}"
    place.docker("service", "update", "--quiet", image, f"{place.target.project}_jobs")
    return "jobs", "runs "


def strand(place: Place, _: Shop) -> tuple[str, str]:
    name = f"{place.target.project}_jobs"
    place.docker("service", "update", "--detach", "--constraint-add=node.role==nobody", name)
    states = ("service", "ps", "--format={{.CurrentState}}", name)
    wait_for(lambda: "pending" in place.docker(*states).lower(), "a pending task")
    return "jobs", "is pending (no suitable node"


def add_a_service(place: Place, shop: Shop) -> tuple[str, str]:
    label = f"--label=com.docker.stack.namespace={place.target.project}"
    name = f"--name={place.target.project}_former"
    image = str(shop.image("web", "stray"))
    place.docker("service", "create", "--quiet", "--endpoint-mode=dnsrr", label, name, image)
    return "former", "does not belong to the release"


def remove_a_service(place: Place, _: Shop) -> tuple[str, str]:
    place.docker("service", "rm", f"{place.target.project}_jobs")
    return "jobs", "is missing"


@pytest.mark.parametrize(
    "drift", [nightly(update), nightly(strand), nightly(add_a_service), remove_a_service]
)
def test_drift_is_found_and_undone(
    place: Place, one: Images, shop: Shop, drift: Callable[[Place, Shop], tuple[str, str]]
) -> None:
    """What was changed behind the pipeline's back is named, and gone after the next deploy."""
    assert place.problems(one) == {}
    service, problem = drift(place, shop)
    found = place.problems(one)
    assert list(found) == [service]
    assert found[service].startswith(problem)
    place.deploy(one)
    assert place.problems(one) == {}


def deploy_or_go_back(place: Place, new: Images, old: Images) -> Images:
    """What a promotion does about a deploy that fails: the release that runs in the end."""
    try:
        place.deploy(new, within=45)
    except DeployError:
        place.deploy(old)
        return old
    return new


@pytest.mark.nightly
def test_a_node_drained_in_an_update_is_left(place: Place, one: Images, shop: Shop) -> None:
    """The new release, or the old one put back where Swarm gave up, runs whole on the others."""
    threading.Timer(2, place.docker, ("node", "update", "--availability=drain", "host3")).start()
    try:
        runs = deploy_or_go_back(place, shop.release("drained"), one)
        wait_for(lambda: place.problems(runs) == {}, "the release to run whole")
        assert "host3" not in {row.host for row in place.running(runs)}
    finally:
        place.docker("node", "update", "--availability=active", "host3")


@pytest.mark.nightly
def test_a_node_that_dies_in_an_update_is_told_from_the_rest(
    hosts: lab.Lab, place: Place, one: Images, shop: Shop
) -> None:
    """A release runs whole on the others; what the dead node may still run cannot be told."""
    on_host3 = f"{place.target.project}_web"
    place.docker("service", "update", "--quiet", "--constraint-add=node.hostname!=host2", on_host3)
    new = shop.release("dying")
    bind(place.deployment(new)).check()
    threading.Timer(1, kill_daemon, (hosts, "host3")).start()
    try:
        runs = deploy_or_go_back(place, new, one)
        wrong = [row for row in place.running(runs) if row.problem]
        assert {row.host for row in wrong} == {"host3"}
        assert {row.stray for row in wrong} == {True}
        assert all("its node is down" in row.problem for row in wrong)
    finally:
        lab.up(state=hosts.state)
    wait_for(lambda: place.problems(runs) == {}, "the release to run whole")
