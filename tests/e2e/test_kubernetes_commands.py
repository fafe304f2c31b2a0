"""Production on a real cluster, through the ordinary commands."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import lab
from buildonce.app import App
from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.engines.kubernetes import watching
from buildonce.execute import promotions
from tests.kit import inv_server
from tests.kit.crash_points import killed_at, trace
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, app
from tests.kit.kubernetes import (
    config_map,
    cron_job,
    deployment,
    document,
    needs_kubernetes,
    workload,
)
from tests.kit.kubernetes_monorepo import (
    API,
    MIGRATION,
    PROBE,
    WORKER,
    Storefront,
    manifests,
    opened,
)
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import ended
from tests.kit.nightly import IN_FULL, nightly
from tests.kit.waiting import wait_for

pytestmark = needs_kubernetes


@pytest.fixture(scope="module")
def site(kubernetes: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storefront]:
    """A monorepo whose first release runs in production."""
    with opened(kubernetes, tmp_path_factory.mktemp("shop")) as made:
        yield made


def test_every_claim_names_its_pod_or_object(site: Storefront) -> None:
    """`verify` has a row for each object, and for each pod's container with what it runs."""
    rows = site.repo.inv("verify", "--env", "production", "--json").json()["evidence"]
    assert all(row["holds"] for row in rows)
    release = site.repo.digests(site.runs())
    for service in ("api", "worker"):
        pods = site.kubectl("get", "pods", f"--selector=app={service}", "--output=name").split()
        found = {
            row["where"]: row["found"]
            for row in rows
            if row["check"] == "kubelet" and row["service"] == service
        }
        assert len(found) == len(pods)
        for pod in pods:
            (where,) = [place for place in found if place.startswith(pod.removeprefix("pod/"))]
            assert found[where] == release[service]
    objects = {row["service"] for row in rows if row["check"] == "object"}
    assert objects == {"configmap/settings", "deployment/api", "deployment/worker", "service/api"}


def test_what_a_pre_deploy_command_was_given_is_not_what_is_deployed(site: Storefront) -> None:
    """The command read the ConfigMap under another name, and left nothing; pods read their own."""
    (pod,) = site.kubectl.json("get", "pods", "--selector=app=worker")["items"]
    (container,) = pod["spec"]["containers"]
    assert container["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == "settings"
    assert "pre-deploy" not in site.kubectl("get", "configmaps,jobs", "--output=name")


def test_a_repetition_does_nothing(site: Storefront) -> None:
    """What runs already is neither deployed nor recorded again."""
    before, ledger = everything(site), site.repo.ledger()
    assert "nothing to do" in site.promote().out
    assert (everything(site), site.repo.ledger()) == (before, ledger)


def everything(site: Storefront) -> object:
    """What is said of production's objects, and which pods they have."""
    return site.objects(), site.pods("api"), site.pods("worker")


def test_a_dry_run_touches_nothing(site: Storefront) -> None:
    """It observes for real and names every step; cluster, ledger and tags stay as they are."""
    site.release(worker="fine")
    before, state = everything(site), site.repo.state()
    said = site.promote("--dry-run").out
    assert "kubectl --context=lab" in said
    assert "deploy" in said
    assert "pull " not in said
    assert (everything(site), site.repo.state()) == (before, state)


def test_a_rolling_update_fails_no_request(site: Storefront, figures: Figures) -> None:
    """One service changes: clients of its two pods notice nothing, the other's pods stay."""
    before, worker = site.version("api"), site.pods("worker")
    site.release(api="fine")
    with clients(site, "api", before) as answers:
        began = time.monotonic()
        site.promote()
        seconds = time.monotonic() - began
    figures(
        "Kubernetes, one of two services", promote=f"{seconds:.1f}", requests=len(answers),
        failed=answers.count("failed"),
    )  # fmt: skip
    assert set(answers) == {before, site.version("api")}
    assert site.pods("worker") == worker
    site.is_sound()


@contextmanager
def clients(site: Storefront, service: str, version: str) -> Iterator[list[str]]:
    """Ask a Service again and again from a pod of somebody else; what it answered, in the end.

    It begins once the Service has answered with a version: until then, what is read of the log
    may be the kubelet's word on why there is none.
    """
    ask = f"wget -q -T 5 -O - http://{service} || echo failed"
    loop = f"trap 'exit 0' TERM; while true; do {ask}; sleep 0.02; done"
    site.kubectl(
        "run",
        "client",
        f"--image={site.cluster.pause_image}",
        "--restart=Never",
        "--",
        "sh",
        "-c",
        loop,
    )
    read = partial(site.kubectl, "logs", "client")
    site.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    answers: list[str] = []
    try:
        wait_for(lambda: version in read().split(), "a first answer")
        yield answers
        answers += read().split()
    finally:
        site.kubectl("delete", "pod", "client", "--now")


@pytest.mark.parametrize(
    ("mode", "timeout", "words"),
    [
        nightly("crash", "90s", "has crashed 3 times (exit code 3)"),
        ("sick", "15s", "0 of 2 pods up"),
    ],
)
def test_a_release_that_fails_goes_back_by_itself(
    site: Storefront, mode: str, timeout: str, words: str, figures: Figures
) -> None:
    """Exit 7: pods that crash after they were ready, or never are, leave the release before."""
    running, before = site.runs(), (site.colour(), site.pods("worker"))
    added = config_map("added", a="1")
    site.release({"deploy/shop.yaml": manifests(added, colour="blue")}, api=mode)
    with site.settings(timeout=f'"{timeout}"'):
        began = time.monotonic()
        done = site.promote(expect=7)
    figures(
        f"Kubernetes, {mode}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}"
    )
    assert words in " ".join(done.err.split())
    assert f"production runs {running} again" in done.err
    assert (site.colour(), site.pods("worker")) == before
    assert "configmap/added" not in site.kubectl("get", "configmaps", "--output=name")
    assert ("out of luck" in done.err) == (mode == "crash")
    site.is_sound()


@pytest.mark.nightly
def test_a_failing_pre_deploy_command_leaves_everything_alone(
    site: Storefront, figures: Figures
) -> None:
    """Exit 7 before anything of the release was touched; the command's last words are shown."""
    before = everything(site)
    site.release({"deploy/shop.yaml": manifests(colour="blue")}, api="fine", worker="stuck")
    with site.settings(pre_deploy=MIGRATION):
        began = time.monotonic()
        done = site.promote(expect=7)
    figures("Kubernetes, stuck", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert "failed in the pre-deploy command" in done.err
    assert "migrating with blue" in done.err
    assert everything(site) == before
    site.is_sound()


@pytest.mark.nightly
def test_a_config_map_alone_goes_there_and_back(site: Storefront) -> None:
    """Nothing is built, no pod is touched; a rollback brings the object back as it was."""
    pods, colour = site.pods("api"), site.colour()
    site.release({"deploy/shop.yaml": manifests(colour="violet")})
    site.promote()
    assert (site.colour(), site.pods("api")) == ("violet", pods)
    site.is_sound()
    site.repo.inv("rollback", "production", "--reason", "not that violet")
    assert (site.colour(), site.pods("api")) == (colour, pods)
    site.is_sound()


@pytest.mark.nightly
def test_a_rollback_brings_other_objects(site: Storefront) -> None:
    """What the later release had added goes, what it had dropped is there again."""

    def names() -> str:
        return site.kubectl("get", "configmaps,cronjobs", "--output=name")

    former, later = config_map("former", a="1"), cron_job("nightly", API)
    old = site.release({"deploy/shop.yaml": manifests(former)})
    site.promote()
    site.release({"deploy/shop.yaml": manifests(later)})
    site.promote()
    assert ("configmap/former" in names(), "cronjob.batch/nightly" in names()) == (False, True)
    site.repo.inv("rollback", "production", "--to", old, "--reason", "nights are quiet")
    assert ("configmap/former" in names(), "cronjob.batch/nightly" in names()) == (True, False)
    site.is_sound()


@pytest.mark.nightly
def test_what_was_interrupted_is_resumed(site: Storefront) -> None:
    """Ctrl-C leaves the promotion open, with both commands named; `resume` finishes it."""
    sha = site.release({"deploy/shop.yaml": manifests(colour="orange")}, worker="fine")
    done = site.meanwhile("deployment/worker: ", interrupt)
    assert done.code == 130, done.err
    assert "inv resume production" in done.err
    site.repo.inv("verify", "--env", "production", expect=9)
    site.repo.inv("resume", "production")
    assert (site.runs(), site.colour()) == (sha, "orange")
    site.is_sound()


@pytest.mark.nightly
def test_what_was_interrupted_is_undone(site: Storefront) -> None:
    """Ctrl-C in the middle of a deploy, then `abort`: everything is as it was before."""
    running, colour = site.runs(), site.colour()
    site.release({"deploy/shop.yaml": manifests(colour="grey")}, worker="fine")
    assert site.meanwhile("deployment/worker: ", interrupt).code == 130
    assert site.colour() == "grey"
    site.repo.inv("abort", "production", "--reason", "not today")
    assert (site.runs(), site.colour()) == (running, colour)
    site.is_sound()


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.nightly
def test_of_two_promoters_one_wins(site: Storefront, tmp_path: Path) -> None:
    """Two releases are promoted at once: one runs, the other is told who holds the lock."""
    shas = [site.release(worker="fine") for _ in range(2)]
    processes = [site.repo.start("promote", "production", "--sha", sha) for sha in shas]
    codes = dict(zip(shas, [ended(process).code for process in processes], strict=True))
    assert sorted(codes.values()) == [0, 4], codes
    assert codes[site.runs()] == 0
    site.is_sound()


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_kill_at_any_side_effect_leaves_one_whole_release(
    site: Storefront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """Whatever side effect SIGKILL comes before, `resume` finishes it, or `abort` undoes it."""
    monkeypatch.setattr(watching, "MONITOR", 0.5)
    monkeypatch.setattr(promotions, "NOTICED", 0.0)
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in site.repo.env.items():
        monkeypatch.setenv(name, value)
    shas = [
        site.release({"deploy/shop.yaml": manifests(extra, colour=colour)}, worker="fine")
        for colour, extra in (
            ("black", config_map("one", a="1")),
            ("white", config_map("two", a="1")),
        )
    ]
    promotion(site, shas[0])
    traced = trace(site.repo, partial(promotion, site, shas[1]), tmp_path, site.objects)
    size = len(traced.stops) if IN_FULL else 3
    problems = {}
    for number, stop in enumerate(traced.stops[:: len(traced.stops) // size]):
        old = site.runs()
        (new,) = set(shas) - {old}
        recovery = (resume, abort)[number % 2]
        if not killed_at(stop, partial(promotion, site, new)):
            problems[stop] = ["it was never reached"]
        elif found := problems_after(site, old, new, recovery):
            problems[stop] = found
    figures("Kubernetes, SIGKILL", side_effects=len(traced.effects), stops=len(traced.stops))
    assert problems == {}
    site.is_sound()


def promotion(site: Storefront, sha: str) -> None:
    promote(in_process(site), "production", sha, **ANY_AGE)


def in_process(site: Storefront) -> App:
    return app(site.repo, insecure=site.cluster.insecure)


def problems_after(
    site: Storefront, old: str, new: str, recovery: Callable[..., None]
) -> list[str]:
    """Recover; return what is wrong then."""
    was_open = is_open(site.record())
    recovery(in_process(site), "production")
    wanted = new if recovery is resume else old
    release = site.runs()
    digests = site.repo.digests(release)
    pods = {image.rpartition("@")[2] for image in site.pods("worker").values()}
    names = site.kubectl("get", "configmaps", "--output=name").split()
    found = [site.colour(), *(name for name in ("one", "two") if f"configmap/{name}" in names)]
    files = site.repo.git("show", f"{release}:deploy/shop.yaml")
    problems = {
        "still open": is_open(site.record()),
        f"runs {release}": was_open and release != wanted,
        f"pods run {pods}": pods != {digests["worker"]},
        f"pointers are {site.repo.digests('production')}": site.repo.digests("production")
        != digests,
        f"has {found}": len(found) != 2 or not all(f'"{word}"' in files for word in found),
    }
    return [problem for problem, holds in problems.items() if holds]


@pytest.mark.nightly
def test_an_api_that_is_gone_for_a_while_delays_a_promotion(
    site: Storefront, figures: Figures
) -> None:
    """The API server is away for 20 s in the middle of a deploy: it is waited for, and said so."""
    sha = site.release(worker="fine")
    began = time.monotonic()
    back = threading.Timer(20, partial(put_back, site))

    def take_away(_: subprocess.Popen[str]) -> None:
        kill_part(site, "kube-apiserver")
        back.start()

    # once pods are up: controllers and kubelet take up to a minute to look for an API again
    done = site.meanwhile("pods up, watched for", take_away)
    assert back.ident, done.err
    back.join()
    assert done.code == 0, done.err
    figures("Kubernetes, API away for 20 s", promote=f"{time.monotonic() - began:.1f}")
    assert "the Kubernetes API does not answer; waiting for it" in done.err
    assert site.runs() == sha
    wait_for(lambda: sound(site), "the node answers", 180)


@pytest.mark.nightly
def test_a_node_that_does_not_answer_is_named(site: Storefront) -> None:
    """Without a kubelet nothing is claimed of its pods; once it is back, all of it holds."""
    kill_part(site, "kubelet")
    try:
        # a controller that has just lost its API takes up to a minute to look for it again
        wait_for(lambda: not sound(site), "the node is given up", 180)
        said = site.repo.inv("verify", "--env", "production", "--json", expect=9).json()
        wrong = [row for row in said["evidence"] if not row["holds"]]
        assert {row["service"] for row in wrong} == {"api", "worker"}
        assert all("a node that does not answer" in row["found"] for row in wrong)
    finally:
        put_back(site)
    wait_for(lambda: sound(site), "the node is back", 180)


def kill_part(site: Storefront, name: str) -> None:
    parts = {part.name: part.pid for part in lab.status(site.cluster.state)}
    pid = parts[name]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def put_back(site: Storefront) -> None:
    lab.up(kubernetes=True, state=site.cluster.state)


def sound(site: Storefront) -> bool:
    return inv_server.run(("verify", "--env", "production"), site.repo.root, site.repo.env)[0] == 0


@pytest.mark.nightly
def test_a_hundred_deployments_take_seconds(site: Storefront, figures: Figures) -> None:
    """Where one of a hundred changes, that one alone gets another generation, and all is proven."""
    site.release({"deploy/fleet.yaml": fleet()})
    site.repo.inv("promote", "fleet")
    before = generations(site)
    site.release({"deploy/fleet.yaml": fleet()}, worker="fine")
    began = time.monotonic()
    site.repo.inv("promote", "fleet")
    promoted = time.monotonic()
    site.repo.inv("verify", "--env", "fleet")
    figures(
        "Kubernetes, 100 Deployments, one changed", promote=f"{promoted - began:.1f}",
        verify=f"{time.monotonic() - promoted:.1f}",
    )  # fmt: skip
    after = generations(site)
    assert {name for name in before if before[name] != after[name]} == {"unit-0"}
    assert len(after) == 100


def fleet() -> str:
    """A hundred Deployments, of which one is the worker's; that one alone has a pod."""
    others = [deployment(f"unit-{number}", API, replicas=0) for number in range(1, 100)]
    return "".join((deployment("unit-0", WORKER), *others))


def generations(site: Storefront) -> dict[str, int]:
    items = site.kubectl_of("fleet").json("get", "deployments")["items"]
    return {one["metadata"]["name"]: one["metadata"]["generation"] for one in items}


@pytest.mark.nightly
def test_drift_is_named_and_mended(site: Storefront) -> None:
    """Six changes by other hands each fail `verify` by name; the next promotion undoes them."""
    more = [
        deployment(name, WORKER, replicas=int(name == "one"), readinessProbe=None)
        for name in ("one", "two", "three")
    ]
    site.release({"deploy/shop.yaml": manifests(*more)})
    site.promote()
    call, image = site.kubectl, site.cluster.pause_image
    call("set", "image", "deployment/api", f"api={image}")
    call("set", "env", "deployment/worker", "EXTRA=1")
    call("scale", "deployment/one", "--replicas=0")
    call("scale", "deployment/two", "--replicas=1")
    call("delete", "deployment", "three")
    call("run", "stray", f"--image={image}", "--labels=buildonce/project=shop")
    said = site.repo.inv("verify", "--env", "production", "--json", expect=9)
    wrong = [row for row in said.json()["evidence"] if not row["holds"]]
    told = [f"{row['service']}: {row['found']}" for row in wrong]
    for drift in (
        "deployment/api: spec.template.spec.containers[api].image set by kubectl-set",
        "deployment/worker: spec.template.spec.containers[worker].env[EXTRA]",
        "deployment/one: spec.replicas changed or removed",
        "deployment/two: spec.replicas set by kubectl",
        "deployment/three: missing",
        "a pod: does not belong to the release",
    ):
        assert any(line.startswith(drift) for line in told), f"{drift} is not in {told}"
    (removal,) = {row["remedy"] for row in wrong if row["remedy"]}
    subprocess.run(shlex.split(removal), env=dict(site.repo.env), check=True)
    site.promote()
    site.is_sound()


@pytest.mark.nightly
def test_a_namespace_of_many_kinds(site: Storefront) -> None:
    """CronJob, DaemonSet, init container, autoscaler, Job, alias: all by digest, others' alone."""
    call = site.kubectl_of("odd")
    call("create", "configmap", "somebodys")
    call("run", "lonely", f"--image={site.cluster.pause_image}", "--labels=app=web-front")
    theirs = call.json("get", "configmap/somebodys", "pod/lonely")["items"]
    site.release({"deploy/odd.yaml": odd("seed-1")}, api="fine")
    site.repo.inv("promote", "odd")
    site.repo.inv("verify", "--env", "odd")
    call("create", "job", "tonight", "--from=cronjob/night-shift")
    call("wait", "--for=jsonpath={.status.active}=1", "job/tonight", "--timeout=60s")
    site.repo.inv("verify", "--env", "odd")

    site.release({"deploy/odd.yaml": odd("seed-1")}, api="fine")
    said = site.repo.inv("promote", "odd", expect=3).err
    assert 'The Job "seed-1" is invalid: spec.template' in said
    assert "a Job runs once: give it a new name" in said
    site.release({"deploy/odd.yaml": odd("seed-2")}, api="fine")
    site.repo.inv("promote", "odd")
    site.repo.inv("verify", "--env", "odd")
    jobs = call("get", "jobs", "--output=name").split()
    assert ("job.batch/seed-1" in jobs, "job.batch/seed-2" in jobs) == (False, True)
    left = call.json("get", "configmap/somebodys", "pod/lonely")["items"]
    assert [one["metadata"]["uid"] for one in left] == [one["metadata"]["uid"] for one in theirs]


def odd(seed: str) -> str:
    """Objects of many kinds; the worker's image has another name in them."""
    prepare = {"name": "prepare", "image": "acme/worker", "command": ["true"]}
    front = {"name": "front", "image": API, "readinessProbe": PROBE}
    labels = {"app": "web-front"}
    pods = {"initContainers": [prepare], "containers": [front], "terminationGracePeriodSeconds": 1}
    once = {"containers": [{"name": "seed", "image": API, "command": ["true"]}]}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-front"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    metrics = [{"type": "Resource", "resource": cpu}]
    return "".join(
        (
            config_map("words", agreed="yes", at="12:30", mode="0o17"),
            cron_job("night-shift", API),
            workload(
                "DaemonSet", "node-agent", {"name": "agent", "image": "acme/worker:latest"},
                replicas=None,
            ),
            document(
                "apps/v1", "Deployment", "web-front",
                spec={
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pods},
                },
            ),
            document(
                "autoscaling/v2", "HorizontalPodAutoscaler", "web-front",
                spec={"maxReplicas": 3, "scaleTargetRef": scaled, "metrics": metrics},
            ),
            document(
                "v1", "Service", "mail-relay",
                spec={"type": "ExternalName", "externalName": "mail.example.org"},
            ),
            document(
                "batch/v1", "Job", seed,
                spec={"template": {"spec": {**once, "restartPolicy": "Never"}}},
            ),
        )
    )  # fmt: skip
