"""Promotions that deploy, from the command line: how each way of failing ends, and what drifted."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import lab
from buildonce.engines.base import Target
from tests.e2e.hosts import Place, asking, get, kill_engine, longest_silence
from tests.e2e.releases import HEALTH, PROGRAM
from tests.e2e.scenario import Figures
from tests.e2e.support import LEDGER, NOBODYS_GIT, SERVICES, TASKS, Done, Monorepo, ended, wait_for
from tests.e2e.wire import another

PYPROJECT = """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{namespace}/{{service}}"
services = {{ web = {{}}, jobs = {{}} }}

[tool.buildonce.environments.staging]
engine = "compose"
file = "deploy/compose.yaml"
host = "{staging}"
project = "{namespace}"
variables = {{ PLACE = "staging" }}

[tool.buildonce.environments.production]
after = "staging"
engine = "compose"
file = "deploy/compose.yaml"
host = "{production}"
project = "{namespace}"
timeout = "2m"
variables = {{ PLACE = "production" }}
before = {{ service = "jobs", command = ["python3", "/app/migrate.py"] }}

[tool.buildonce.environments.cluster]
after = "staging"
engine = "swarm"
file = "deploy/stack.yaml"
host = "{staging}"
project = "{namespace}-stack"
timeout = "3m"
variables = {{ PLACE = "cluster" }}
before = {{ service = "jobs", command = ["python3", "/app/migrate.py"] }}
"""

DOCKERFILE = """\
FROM python:3.13-slim
COPY {service} shared /app/
HEALTHCHECK --interval=1s --timeout=3s --start-period=2s --start-interval=250ms --retries=2 \\
    CMD ["python3", "/app/health.py"]
CMD ["python3", "/app/app.py"]
"""

COMPOSE = """\
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB:?}
    restart: unless-stopped
    environment: {PLACE: "${PLACE}"}
    ports: ["8010:8000"]
  jobs:
    image: ${BUILDONCE_IMAGE_JOBS:?}
    restart: unless-stopped
    environment: {PLACE: "${PLACE}"}
    depends_on: [web]
"""

STACK = """\
x-deploy: &deploy
  endpoint_mode: dnsrr
  replicas: 2
  update_config: {order: start-first, failure_action: rollback, monitor: 5s}
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB:?}
    environment: {PLACE: "${PLACE}"}
    deploy: *deploy
  jobs:
    image: ${BUILDONCE_IMAGE_JOBS:?}
    environment: {PLACE: "${PLACE}"}
    deploy: *deploy
"""

APP = """\
import os, pathlib
here = pathlib.Path("/app")
modes = dict(line.split() for line in (here / "modes").read_text().splitlines())
os.environ["MODE"] = modes.get(os.environ["PLACE"], "fine")
os.environ["VERSION"] = (here / "version").read_text()
"""

MIGRATE = """\
import os, pathlib, sys
lines = pathlib.Path("/app/modes").read_text().splitlines()
sys.exit("cannot migrate" if f"{os.environ['PLACE']} stuck" in lines else 0)
"""


@dataclass(frozen=True)
class Front:
    """A monorepo whose staging and production run on two hosts."""

    repo: Monorepo
    hosts: lab.Lab
    place: Place

    def serves(self) -> str:
        """The version that production answers a client with."""
        return get(self.place.address)

    def release(self, place: str = "production", **modes: str) -> str:
        """Commit a version and bring it to staging; its services have their modes in a place."""
        version = f"v{secrets.token_hex(4)}"
        files = {f"{one}/version": version for one in SERVICES}
        files |= {f"{one}/modes": f"{place} {modes.get(one, 'fine')}\n" for one in SERVICES}
        self.repo.commit(version, files)
        self.repo.inv("build", "--sha")
        self.repo.inv("promote", "staging")
        return version

    def promote(self, *options: str, expect: int = 0) -> Done:
        return self.repo.inv("promote", "production", *options, expect=expect)

    def meanwhile(self, words: str, act: Callable[[subprocess.Popen[str]], None]) -> Done:
        """Promote, and do something the moment that the command says these words."""
        process = self.repo.start("promote", "production")
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if words in line:
                act(process)
                break
        done = ended(process)
        return Done(done.code, done.out, said + done.err)

    def is_sound(self) -> None:
        """Pointers, ledger and containers of production tell the same story."""
        self.repo.inv("verify", "--env", "production")

    def record(self) -> Mapping[str, object]:
        record: dict[str, object] = self.repo.record("environments/production.json")
        return record


@pytest.fixture(scope="module")
def front(hosts: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    namespace = f"front{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp(namespace)
    env = {**clean(), **hosts.environ(), **NOBODYS_GIT, "NO_COLOR": "1"}
    repo = Monorepo(
        folder / "clone", folder / "origin.git", hosts.registry, namespace, env, SERVICES
    )
    staging, production = hosts.hosts["host1"], hosts.hosts["host2"]
    pyproject = PYPROJECT.format(namespace=namespace, staging=staging, production=production)
    repo.begin(
        {
            "tasks.py": TASKS,
            "pyproject.toml": pyproject,
            "deploy/compose.yaml": COMPOSE,
            "deploy/stack.yaml": STACK,
            "shared/app.py": APP + PROGRAM,
            "shared/health.py": HEALTH,
            "shared/migrate.py": MIGRATE,
            **{f"{one}/Dockerfile": DOCKERFILE.format(service=one) for one in SERVICES},
        }
    )
    target = Target("production", "compose", production, namespace)
    address = f"{hosts.addresses['host2']}:8010"
    made = Front(repo, hosts, Place(target, folder / "clone/deploy/compose.yaml", address))
    made.release()
    made.promote()
    yield made
    for host in (staging, production):
        remove(host, namespace)


def clean() -> dict[str, str]:
    """This process's environment without what belongs to CI, git or another lab."""
    ours = ("GITHUB_", "INVOKE_", "GIT_", "DOCKER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def remove(host: str, project: str) -> None:
    place = Place(Target("", "compose", host, project), Path(), "")
    label = f"--filter=label=com.docker.compose.project={project}"
    if ids := place.docker("ps", "--all", "--quiet", label).split():
        place.docker("rm", "--force", "--volumes", *ids)


def test_a_promotion_changes_what_a_client_sees(front: Front, figures: Figures) -> None:
    """After it production answers with the new version, and every container is proven."""
    version, before = front.release(), front.serves()
    with asking(front.place.address) as answers:
        began = time.monotonic()
        front.promote()
        took = time.monotonic() - began
        wait_for(lambda: answers[-1][1] == version, "the new version")
    silence = f"{longest_silence(answers):.2f}"
    figures("Compose, inv promote", seconds=f"{took:.1f}", of_them_interrupted=silence)
    assert {answer for _, answer in answers} <= {before, "", version}
    front.is_sound()
    rows = front.repo.inv("verify", "--env", "production", "--json").json()["evidence"]
    containers = {row["service"] for row in rows if row["check"] == "container"}
    assert containers == {"web", "jobs"}


def test_promoting_again_does_nothing(front: Front) -> None:
    """What production runs already is not deployed again."""
    before = front.place.ids("web"), front.repo.ledger()
    assert "nothing to do" in front.promote().out
    assert (front.place.ids("web"), front.repo.ledger()) == before


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"web": "sick"}, "is unhealthy"),
        ({"jobs": "stuck"}, "failed in the step before the switch"),
    ],
)
def test_a_release_that_fails_goes_back_by_itself(
    front: Front, modes: dict[str, str], words: str, figures: Figures
) -> None:
    """Exit 7: the release before is back and answers, and the ledger says what happened."""
    before, running = front.serves(), front.record()["release"]
    front.release(**modes)
    began = time.monotonic()
    done = front.promote(expect=7)
    figures(f"Compose, {modes}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert words in done.err
    assert f"production runs {running} again" in done.err
    assert front.serves() == before
    assert front.record()["release"] == running
    front.is_sound()


def test_the_log_of_what_failed_is_shown_and_not_kept(front: Front) -> None:
    """A crash after three seconds: its last words are for the terminal, not for the ledger."""
    front.release(jobs="crash")
    done = front.promote(expect=7)
    assert "crashed" in done.err
    assert "out of luck" in done.err
    assert "out of luck" not in json.dumps(front.record())


def test_a_release_that_cannot_be_undone_stops_loudly(front: Front) -> None:
    """Exit 8 for an irreversible one: nothing is put back, the state is said, abort ends it."""
    before = front.serves()
    front.release(web="sick")
    done = front.promote("--irreversible", expect=8)
    assert "irreversible" in done.err
    assert front.serves() != before
    front.repo.inv("verify", "--env", "production", expect=9)
    front.repo.inv("abort", "production", "--reason", "it changes nothing after all")
    assert front.serves() == before
    front.is_sound()


def test_a_digest_that_is_gone_changes_nothing(front: Front) -> None:
    """Exit 5 before anything is written, where the registry has lost a part of the release."""
    front.release()
    ids, ledger = front.place.ids("web"), front.repo.ledger()
    images = front.repo.images("web")
    stored = images.require(front.repo.sha())
    images.delete(stored.digest)
    try:
        front.promote(expect=5)
        assert (front.place.ids("web"), front.repo.ledger()) == (ids, ledger)
    finally:
        for tag in (front.repo.sha(), "staging"):
            images.put(tag, stored)
    front.is_sound()


def test_an_interruption_leaves_what_can_be_finished(front: Front) -> None:
    """Ctrl-C while containers come up: exit 130, shown as in progress, and resume finishes it."""
    version = front.release()
    done = front.meanwhile("web 1 is starting", lambda it: it.send_signal(signal.SIGINT))
    assert done.code == 130, done.err
    assert "inv resume production" in done.err
    assert front.record()["operation"]
    front.repo.inv("resume", "production")
    assert front.serves() == version
    front.is_sound()


def test_an_interruption_leaves_what_can_be_undone(front: Front) -> None:
    """Ctrl-C while containers come up, and abort puts the release before back."""
    before = front.serves()
    front.release()
    done = front.meanwhile("web 1 is starting", lambda it: it.send_signal(signal.SIGINT))
    assert done.code == 130, done.err
    front.repo.inv("abort", "production")
    assert front.serves() == before
    front.is_sound()


def test_a_rollback_deploys_the_release_before(front: Front) -> None:
    """Going back is a deploy as well: the former version answers again, from its own digests."""
    before = front.serves()
    front.release()
    front.promote()
    assert front.serves() != before
    front.repo.inv("rollback", "production")
    assert front.serves() == before
    front.is_sound()


@pytest.fixture(scope="module")
def cluster(front: Front) -> Iterator[Monorepo]:
    """A release that runs on a Swarm too."""
    front.release()
    front.repo.inv("promote", "cluster")
    yield front.repo
    manager = replace(front.place.target, host=front.hosts.hosts["host1"])
    replace(front.place, target=manager).docker("stack", "rm", f"{manager.project}-stack")


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"web": "sick"}, "stopped as unhealthy"),
        ({"jobs": "crash"}, "non-zero exit (3)"),
        ({"jobs": "stuck"}, "non-zero exit (1)"),
    ],
)
def test_a_release_that_fails_on_a_swarm_goes_back(
    front: Front, cluster: Monorepo, modes: dict[str, str], words: str, figures: Figures
) -> None:
    """Exit 7: every task runs the release before, whatever Swarm made of its own update."""
    running = cluster.record("environments/cluster.json")["release"]
    front.release(place="cluster", **modes)
    began = time.monotonic()
    done = cluster.inv("promote", "cluster", expect=7)
    figures(f"Swarm, {modes}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert words in " ".join(done.err.split())
    assert cluster.record("environments/cluster.json")["release"] == running
    cluster.inv("verify", "--env", "cluster")


def move_the_pointer(front: Front) -> str:
    images = front.repo.images("web")
    images.put("production", another(images.require("production"), "tampering"))
    return "pointer"


def move_the_tag(front: Front) -> str:
    images, sha = front.repo.images("web"), str(front.record()["release"])
    images.put(sha, another(images.require(sha), "tampering"))
    return "commit tag"


def replace_a_container(front: Front) -> str:
    (web,) = front.place.ids("web")
    image = front.place.docker("inspect", "--format={{.Config.Image}}", *front.place.ids("jobs"))
    labels = json.loads(front.place.docker("inspect", "--format={{json .Config.Labels}}", web))
    options = [f"--label={key}={value}" for key, value in labels.items()]
    front.place.docker("rm", "--force", web)
    front.place.docker("run", "--detach", "--env=PLACE=x", "--publish=8010:8000", *options, image)
    return "container"


def stop_a_container(front: Front) -> str:
    front.place.docker("stop", *front.place.ids("web"))
    return "container"


def rewrite_the_record(front: Front) -> str:
    path = f"releases/{front.record()['release']}.json"
    record = front.repo.record(path)
    record["services"]["web"]["digest"] = "sha256:" + "0" * 64
    front.repo.rewrite(path, json.dumps(record))
    return "bytes"


@pytest.mark.parametrize(
    "drift",
    [move_the_pointer, move_the_tag, replace_a_container, stop_a_container, rewrite_the_record],
)
def test_drift_is_named_wherever_it_is(front: Front, drift: Callable[[Front], str]) -> None:
    """Exit 9, with the row that does not hold, for each place where the truth can be bent."""
    front.is_sound()
    ledger = front.repo.ledger()
    images = front.repo.images("web")
    tags = {tag: images.require(tag) for tag in ("production", str(front.record()["release"]))}
    check = drift(front)
    try:
        said = front.repo.inv("verify", "--env", "production", "--json", expect=9)
        wrong = [row for row in said.json()["evidence"] if not row["holds"]]
        assert (check, "web") in {(row["check"], row["service"]) for row in wrong}
    finally:
        front.repo.git("update-ref", f"refs/heads/{LEDGER}", ledger, cwd=front.repo.origin)
        front.repo.git("update-ref", "-d", f"refs/buildonce/{LEDGER}")
        for tag, stored in tags.items():
            images.put(tag, stored)
        front.promote("--sha", str(front.record()["release"]))
    front.is_sound()


def test_a_host_without_an_engine_is_named(front: Front) -> None:
    """Exit 6 where production's engine is dead; once it is back, promoting starts what it lost."""
    front.release()
    ledger = front.repo.ledger()
    kill_engine(front.hosts, "host2")
    try:
        assert front.place.target.host in front.promote(expect=6).err
        assert front.repo.ledger() == ledger
        said = front.repo.inv("verify", "--env", "production", expect=9).out
        assert "does not answer" in said
    finally:
        lab.up(state=front.hosts.state)
    front.promote("--sha", str(front.record()["release"]))
    front.is_sound()


def test_a_host_that_is_lost_in_a_deploy_is_told_and_recovered(front: Front) -> None:
    """Exit 8 names the host; once it is back, abort makes it run the release before."""
    before = front.serves()
    front.release()
    try:
        done = front.meanwhile("web 1 is starting", lambda _: kill_engine(front.hosts, "host2"))
        assert done.code == 8, done.err
        assert front.place.target.host in done.err
    finally:
        lab.up(state=front.hosts.state)
    front.repo.inv("abort", "production")
    assert front.serves() == before
    front.is_sound()
