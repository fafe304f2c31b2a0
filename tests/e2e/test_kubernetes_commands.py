"""Production on a real cluster, through the ordinary commands: each promise of issue by issue."""

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
from tests.kit.kubernetes_monorepo import API, PROBE, WORKER, Storefront, manifests, opened
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import ended, wait_for

pytestmark = needs_kubernetes


@pytest.fixture(scope="module")
def shop(kubernetes: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storefront]:
    """A monorepo whose first release runs in production."""
    with opened(kubernetes, tmp_path_factory.mktemp("shop")) as made:
        yield made


def test_every_claim_names_its_pod_or_object(shop: Storefront) -> None:
    """`verify` has a row for each object, and for each pod's container with what it runs."""
    rows = shop.repo.inv("verify", "--env", "production", "--json").json()["evidence"]
    assert all(row["holds"] for row in rows)
    release = shop.repo.digests(shop.runs())
    for service in ("api", "worker"):
        pods = shop.kubectl("get", "pods", f"--selector=app={service}", "--output=name").split()
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


def test_a_repetition_does_nothing(shop: Storefront) -> None:
    """What runs already is neither deployed nor recorded again."""
    before, ledger = shop.versions(), shop.repo.ledger()
    assert "nothing to do" in shop.promote().out
    assert (shop.versions(), shop.repo.ledger()) == (before, ledger)


def test_a_dry_run_touches_nothing(shop: Storefront) -> None:
    """It observes for real and names every step; cluster, ledger and tags stay as they are."""
    shop.release(worker="fine")
    before, state = shop.versions(), shop.repo.state()
    said = shop.promote("--dry-run").out
    assert "kubectl --context=lab" in said
    assert "deploy" in said
    assert "pull " not in said
    assert (shop.versions(), shop.repo.state()) == (before, state)


def test_a_rolling_update_fails_no_request(shop: Storefront, figures: Figures) -> None:
    """One service changes: clients of its two pods notice nothing, the other's pods stay."""
    before, worker = shop.version("api"), shop.pods("worker")
    shop.release(api="fine")
    with clients(shop, "api") as answers:
        began = time.monotonic()
        shop.promote()
        seconds = time.monotonic() - began
    figures(
        "Kubernetes, one of two services", promote=f"{seconds:.1f}", requests=len(answers),
        failed=answers.count("failed"),
    )  # fmt: skip
    assert set(answers) == {before, shop.version("api")}
    assert shop.pods("worker") == worker
    shop.is_sound()


@contextmanager
def clients(shop: Storefront, service: str) -> Iterator[list[str]]:
    """Ask a Service again and again from a pod of somebody else; what it answered, in the end."""
    ask = f"wget -q -T 5 -O - http://{service} || echo failed"
    loop = f"trap 'exit 0' TERM; while true; do {ask}; sleep 0.02; done"
    shop.kubectl(
        "run",
        "client",
        f"--image={shop.cluster.pause_image}",
        "--restart=Never",
        "--",
        "sh",
        "-c",
        loop,
    )
    read = partial(shop.kubectl, "logs", "client")
    shop.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    answers: list[str] = []
    try:
        wait_for(lambda: bool(read().split()), "a first answer")
        yield answers
        answers += read().split()
    finally:
        shop.kubectl("delete", "pod", "client", "--now")


@pytest.mark.parametrize(
    ("mode", "timeout", "words"),
    [
        ("crash", "90s", "has crashed 3 times (exit code 3)"),
        ("sick", "15s", "0 of 2 pods up"),
    ],
)
def test_a_release_that_fails_goes_back_by_itself(
    shop: Storefront, mode: str, timeout: str, words: str, figures: Figures
) -> None:
    """Exit 7: pods that crash after they were ready, or never are, leave the release before."""
    running, pods = shop.runs(), shop.pods("worker")
    added = config_map("added", a="1")
    shop.release({"deploy/shop.yaml": manifests(added, colour="blue")}, api=mode)
    with shop.settings(timeout=f'"{timeout}"'):
        began = time.monotonic()
        done = shop.promote(expect=7)
    figures(
        f"Kubernetes, {mode}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}"
    )
    assert words in " ".join(done.err.split())
    assert f"production runs {running} again" in done.err
    assert (shop.colour(), shop.pods("worker")) == ("red", pods)
    assert "configmap/added" not in shop.kubectl("get", "configmaps", "--output=name")
    assert ("out of luck" in done.err) == (mode == "crash")
    shop.is_sound()


def test_a_failing_pre_deploy_command_leaves_everything_alone(
    shop: Storefront, figures: Figures
) -> None:
    """Exit 7 before anything of the release was touched; the command's last words are shown."""
    before, pods = shop.versions(), shop.pods("api") | shop.pods("worker")
    shop.release({"deploy/shop.yaml": manifests(colour="blue")}, api="fine", worker="stuck")
    with shop.settings(pre_deploy='{ service = "worker", command = ["sh", "/app/migrate.sh"] }'):
        began = time.monotonic()
        done = shop.promote(expect=7)
    figures("Kubernetes, stuck", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert "failed in the pre-deploy command" in done.err
    assert "migrating with blue" in done.err
    assert shop.pods("api") | shop.pods("worker") == pods
    assert shop.versions() == before
    shop.is_sound()


def test_what_a_pre_deploy_command_was_given_is_not_what_is_deployed(shop: Storefront) -> None:
    """The command reads the new ConfigMap, under another name; the pods read their own."""
    shop.release({"deploy/shop.yaml": manifests(colour="green")}, worker="fine")
    with shop.settings(pre_deploy='{ service = "worker", command = ["sh", "/app/migrate.sh"] }'):
        shop.promote()
    (pod,) = shop.kubectl.json("get", "pods", "--selector=app=worker")["items"]
    (container,) = pod["spec"]["containers"]
    assert container["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == "settings"
    assert "pre-deploy" not in shop.kubectl("get", "configmaps,jobs", "--output=name")
    shop.is_sound()


def test_a_config_map_alone_goes_there_and_back(shop: Storefront) -> None:
    """Nothing is built, no pod is touched; a rollback brings the object back as it was."""
    pods, colour = shop.pods("api"), shop.colour()
    shop.release({"deploy/shop.yaml": manifests(colour="violet")})
    shop.promote()
    assert (shop.colour(), shop.pods("api")) == ("violet", pods)
    shop.is_sound()
    shop.repo.inv("rollback", "production", "--reason", "not that violet")
    assert (shop.colour(), shop.pods("api")) == (colour, pods)
    shop.is_sound()


def test_a_rollback_brings_other_objects(shop: Storefront) -> None:
    """What the later release had added goes, what it had dropped is there again."""

    def names() -> str:
        return shop.kubectl("get", "configmaps,cronjobs", "--output=name")

    former, later = config_map("former", a="1"), cron_job("nightly", API)
    old = shop.release({"deploy/shop.yaml": manifests(former)})
    shop.promote()
    shop.release({"deploy/shop.yaml": manifests(later)})
    shop.promote()
    assert ("configmap/former" in names(), "cronjob.batch/nightly" in names()) == (False, True)
    shop.repo.inv("rollback", "production", "--to", old, "--reason", "nights are quiet")
    assert ("configmap/former" in names(), "cronjob.batch/nightly" in names()) == (True, False)
    shop.is_sound()


def test_what_was_interrupted_is_resumed(shop: Storefront) -> None:
    """Ctrl-C leaves the promotion open, with both commands named; `resume` finishes it."""
    sha = shop.release({"deploy/shop.yaml": manifests(colour="orange")}, worker="fine")
    done = shop.meanwhile("deployment/worker: ", interrupt)
    assert done.code == 130, done.err
    assert "inv resume production" in done.err
    shop.repo.inv("verify", "--env", "production", expect=9)
    shop.repo.inv("resume", "production")
    assert (shop.runs(), shop.colour()) == (sha, "orange")
    shop.is_sound()


def test_what_was_interrupted_is_undone(shop: Storefront) -> None:
    """Ctrl-C in the middle of a deploy, then `abort`: everything is as it was before."""
    running, colour = shop.runs(), shop.colour()
    shop.release({"deploy/shop.yaml": manifests(colour="grey")}, worker="fine")
    assert shop.meanwhile("deployment/worker: ", interrupt).code == 130
    assert shop.colour() == "grey"
    shop.repo.inv("abort", "production", "--reason", "not today")
    assert (shop.runs(), shop.colour()) == (running, colour)
    shop.is_sound()


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def test_of_two_promoters_one_wins(shop: Storefront, tmp_path: Path) -> None:
    """Two releases are promoted at once: one runs, the other is told who holds the lock."""
    shas = [shop.release(worker="fine") for _ in range(2)]
    processes = [shop.repo.start("promote", "production", "--sha", sha) for sha in shas]
    codes = dict(zip(shas, [ended(process).code for process in processes], strict=True))
    assert sorted(codes.values()) == [0, 4], codes
    assert codes[shop.runs()] == 0
    shop.is_sound()


def test_a_kill_at_any_side_effect_leaves_one_whole_release(
    shop: Storefront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """Whatever side effect SIGKILL comes before, `resume` finishes it, or `abort` undoes it."""
    monkeypatch.setattr(watching, "MONITOR", 0.5)
    monkeypatch.setattr(promotions, "NOTICED", 0.0)
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in shop.repo.env.items():
        monkeypatch.setenv(name, value)
    shas = [
        shop.release({"deploy/shop.yaml": manifests(extra, colour=colour)}, worker="fine")
        for colour, extra in (
            ("black", config_map("one", a="1")),
            ("white", config_map("two", a="1")),
        )
    ]
    promotion(shop, shas[0])
    traced = trace(shop.repo, partial(promotion, shop, shas[1]), tmp_path, shop.objects)
    size = len(traced.stops) if os.environ.get("BUILDONCE_FAULTS") == "all" else 3
    problems = {}
    for number, stop in enumerate(traced.stops[:: len(traced.stops) // size]):
        old = shop.runs()
        (new,) = set(shas) - {old}
        recovery = (resume, abort)[number % 2]
        if not killed_at(stop, partial(promotion, shop, new)):
            problems[stop] = ["it was never reached"]
        elif found := problems_after(shop, old, new, recovery):
            problems[stop] = found
    figures("Kubernetes, SIGKILL", side_effects=len(traced.effects), stops=len(traced.stops))
    assert problems == {}
    shop.is_sound()


def promotion(shop: Storefront, sha: str) -> None:
    promote(in_process(shop), "production", sha, **ANY_AGE)


def in_process(shop: Storefront) -> App:
    return app(shop.repo, insecure=shop.cluster.insecure)


def problems_after(
    shop: Storefront, old: str, new: str, recovery: Callable[..., None]
) -> list[str]:
    """Recover; return what is wrong then."""
    was_open = is_open(shop.record())
    recovery(in_process(shop), "production")
    wanted = new if recovery is resume else old
    release = shop.runs()
    digests = shop.repo.digests(release)
    pods = {image.rpartition("@")[2] for image in shop.pods("worker").values()}
    extra = {"configmap/one", "configmap/two"} & set(
        shop.kubectl("get", "configmaps", "--output=name").split()
    )
    problems = {
        "still open": is_open(shop.record()),
        f"runs {release}": was_open and release != wanted,
        f"pods run {pods}": pods != {digests["worker"]},
        f"pointers are {shop.repo.digests('production')}": shop.repo.digests("production")
        != digests,
        f"has {extra} with {shop.colour()}": (shop.colour(), extra)
        not in (("black", {"configmap/one"}), ("white", {"configmap/two"})),
    }
    return [problem for problem, found in problems.items() if found]


def test_an_api_that_is_gone_for_a_while_delays_a_promotion(
    shop: Storefront, figures: Figures
) -> None:
    """The API server is away for 20 s in the middle of a deploy: it is waited for, and said so."""
    sha = shop.release(worker="fine")
    began = time.monotonic()

    back = threading.Timer(20, partial(put_back, shop))

    def take_away(_: subprocess.Popen[str]) -> None:
        kill_part(shop, "kube-apiserver")
        back.start()

    # once pods are up: controllers and kubelet take up to a minute to look for an API again
    done = shop.meanwhile("pods up, watched for", take_away)
    back.join()
    assert done.code == 0, done.err
    figures("Kubernetes, API away for 20 s", promote=f"{time.monotonic() - began:.1f}")
    assert "the Kubernetes API does not answer; waiting for it" in done.err
    assert shop.runs() == sha
    wait_for(lambda: sound(shop), "the node answers")


def test_a_node_that_does_not_answer_is_named(shop: Storefront) -> None:
    """Without a kubelet nothing is claimed of its pods; once it is back, all of it holds."""
    kill_part(shop, "kubelet")
    try:
        wait_for(lambda: not sound(shop), "the node is given up")
        said = shop.repo.inv("verify", "--env", "production", "--json", expect=9).json()
        wrong = [row for row in said["evidence"] if not row["holds"]]
        assert {row["service"] for row in wrong} == {"api", "worker"}
        assert all("a node that does not answer" in row["found"] for row in wrong)
    finally:
        put_back(shop)
    wait_for(lambda: sound(shop), "the node is back")


def kill_part(shop: Storefront, name: str) -> None:
    parts = {part.name: part.pid for part in lab.status(shop.cluster.state)}
    pid = parts[name]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def put_back(shop: Storefront) -> None:
    lab.up(kubernetes=True, state=shop.cluster.state)


def sound(shop: Storefront) -> bool:
    return inv_server.run(("verify", "--env", "production"), shop.repo.root, shop.repo.env)[0] == 0


def test_a_hundred_deployments_take_seconds(shop: Storefront, figures: Figures) -> None:
    """Where one of a hundred changes, that one alone gets another generation, and all is proven."""
    shop.release({"deploy/fleet.yaml": fleet()})
    shop.repo.inv("promote", "fleet")
    before = generations(shop)
    shop.release({"deploy/fleet.yaml": fleet()}, worker="fine")
    began = time.monotonic()
    shop.repo.inv("promote", "fleet")
    promoted = time.monotonic()
    shop.repo.inv("verify", "--env", "fleet")
    figures(
        "Kubernetes, 100 Deployments, one changed", promote=f"{promoted - began:.1f}",
        verify=f"{time.monotonic() - promoted:.1f}",
    )  # fmt: skip
    after = generations(shop)
    assert {name for name in before if before[name] != after[name]} == {"unit-0"}
    assert len(after) == 100


def fleet() -> str:
    """A hundred Deployments, of which one is the worker's; that one alone has a pod."""
    others = [deployment(f"unit-{number}", API, replicas=0) for number in range(1, 100)]
    return "".join((deployment("unit-0", WORKER), *others))


def generations(shop: Storefront) -> dict[str, int]:
    items = shop.kubectl_of("fleet").json("get", "deployments")["items"]
    return {one["metadata"]["name"]: one["metadata"]["generation"] for one in items}


def test_drift_is_named_and_mended(shop: Storefront) -> None:
    """Six changes by other hands each fail `verify` by name; the next promotion undoes them."""
    more = [deployment(name, WORKER, readinessProbe=None) for name in ("one", "two", "three")]
    shop.release({"deploy/shop.yaml": manifests(*more)})
    shop.promote()
    call, image = shop.kubectl, shop.cluster.pause_image
    call("set", "image", "deployment/api", f"api={image}")
    call("set", "env", "deployment/worker", "EXTRA=1")
    call("scale", "deployment/one", "--replicas=0")
    call("scale", "deployment/two", "--replicas=2")
    call("delete", "deployment", "three")
    call("run", "stray", f"--image={image}", "--labels=buildonce/project=shop")
    said = shop.repo.inv("verify", "--env", "production", "--json", expect=9)
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
    subprocess.run(shlex.split(removal), env=dict(shop.repo.env), check=True)
    shop.promote()
    shop.is_sound()


def test_a_namespace_of_many_kinds(shop: Storefront) -> None:
    """CronJob, DaemonSet, init container, autoscaler, Job, alias: all by digest, others' alone."""
    call = shop.kubectl_of("odd")
    call("create", "configmap", "somebodys")
    call("run", "lonely", f"--image={shop.cluster.pause_image}", "--labels=app=web-front")
    theirs = call.json("get", "configmap/somebodys", "pod/lonely")["items"]
    shop.release({"deploy/odd.yaml": odd("seed-1")}, api="fine")
    shop.repo.inv("promote", "odd")
    shop.repo.inv("verify", "--env", "odd")
    call("create", "job", "tonight", "--from=cronjob/night-shift")
    call("wait", "--for=jsonpath={.status.active}=1", "job/tonight", "--timeout=60s")
    shop.repo.inv("verify", "--env", "odd")

    shop.release({"deploy/odd.yaml": odd("seed-1")}, api="fine")
    said = shop.repo.inv("promote", "odd", expect=3).err
    assert 'The Job "seed-1" is invalid: spec.template' in said
    assert "a Job runs once: give it a new name" in said
    shop.release({"deploy/odd.yaml": odd("seed-2")}, api="fine")
    shop.repo.inv("promote", "odd")
    shop.repo.inv("verify", "--env", "odd")
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
