"""A monorepo whose production runs on a Kubernetes, worked on from the command line."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lab
from tests.kit.kubernetes import Kubectl, config_map, deployment, service
from tests.kit.monorepo import TASKS, Done, Monorepo, environment

SERVICES = ("api", "worker")
API, WORKER = "${BUILDONCE_IMAGE_API}", "${BUILDONCE_IMAGE_WORKER}"

PYPROJECT = """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{namespace}/{{service}}"

[tool.buildonce.services]
api = {{ inputs = ["api", "shared"] }}
worker = {{ inputs = ["worker", "shared"] }}

[tool.buildonce.environments.production]
engine = "kubernetes"
file = "deploy/shop.yaml"
context = "lab"
namespace = "{namespace}"
project = "shop"
timeout = "90s"

[tool.buildonce.environments.fleet]
engine = "kubernetes"
file = "deploy/fleet.yaml"
context = "lab"
namespace = "{namespace}-fleet"
project = "fleet"

[tool.buildonce.environments.odd]
engine = "kubernetes"
file = "deploy/odd.yaml"
context = "lab"
namespace = "{namespace}-odd"
project = "odd-ones"
timeout = "90s"
images = {{ worker = "acme/worker" }}
"""

DOCKERFILE = """\
FROM busybox:stable
COPY {service} shared /app/
CMD ["sh", "/app/run.sh"]
"""

RUN = """\
mkdir -p /tmp/www
echo "$(cat /app/version)" >/tmp/www/index.html
case "$(cat /app/mode)" in
  sick) exec sleep 600 ;;
  crash) httpd -p 8000 -h /tmp/www; sleep 2; echo out of luck; exit 3 ;;
esac
exec httpd -f -p 8000 -h /tmp/www
"""

MIGRATE = """\
echo "migrating with $COLOUR"
test "$(cat /app/mode)" != stuck
"""

MIGRATION = '{ service = "worker", command = ["sh", "/app/migrate.sh"] }'
FINE = {"mode": "fine\n", "version": "first\n"}

PROBE = {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1, "timeoutSeconds": 5}
DRAIN = {"preStop": {"exec": {"command": ["sleep", "2"]}}}
COLOUR = {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}


def manifests(*more: str, colour: str = "red") -> str:
    """Two pods of api behind a Service, one of worker, and what both are told."""
    container = {"env": [COLOUR], "readinessProbe": PROBE, "lifecycle": DRAIN}
    objects = (
        config_map("settings", colour=colour),
        deployment("api", API, replicas=2, **container),
        deployment("worker", WORKER, env=[COLOUR]),
        service("api"),
    )
    return "".join((*objects, *more))


@dataclass(frozen=True)
class Storefront:
    """A monorepo of two services, and the namespace that its production is."""

    repo: Monorepo
    kubectl: Kubectl
    cluster: lab.Lab

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those of production and of the other environments."""
        own = self.repo.namespace
        return own, f"{own}-fleet", f"{own}-odd"

    def kubectl_of(self, environment: str) -> Kubectl:
        """kubectl in the namespace of another environment than production."""
        return replace(self.kubectl, namespace=f"{self.repo.namespace}-{environment}")

    def release(self, files: Mapping[str, str] | None = None, **modes: str) -> str:
        """Commit and build, on top of what runs: named services get a mode and a new version."""
        version = f"v{secrets.token_hex(4)}"
        self.repo.git("checkout", "--quiet", self.runs(), "--", ".")
        changed = {f"{one}/mode": mode for one, mode in modes.items()}
        changed |= {f"{one}/version": version for one in modes}
        self.repo.commit(version, {**changed, **(files or {})})
        self.repo.inv("build", "--sha")
        return self.repo.sha()

    def promote(self, *options: str, expect: int = 0) -> Done:
        return self.repo.inv("promote", "production", *options, expect=expect)

    def objects(self) -> dict[tuple[str, str], object]:
        """What is said of each object that deploys write, pods and what controllers add apart."""
        items = self.kubectl.json("get", "deployments,services,configmaps,jobs")["items"]
        return {
            (one["kind"], one["metadata"]["name"]): (
                one["metadata"]["uid"], one["metadata"].get("labels"), one.get("data"),
                one["metadata"].get("generation"),
            )
            for one in items
        }  # fmt: skip

    @contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Have other settings of production for a while, as TOML, in this checkout alone."""
        file = self.repo.root / "pyproject.toml"
        before = file.read_text()
        mine, others = before.split("[tool.buildonce.environments.fleet]")
        kept = [line for line in mine.splitlines() if line.partition(" ")[0] not in values]
        kept += [f"{name} = {value}" for name, value in values.items()]
        file.write_text("\n".join([*kept, "[tool.buildonce.environments.fleet]" + others]))
        try:
            yield
        finally:
            file.write_text(before)

    def meanwhile(self, words: str, act: Callable[[subprocess.Popen[str]], None]) -> Done:
        """Promote, and do something the moment that the command says these words."""
        return self.repo.meanwhile("promote", "production", words=words, act=act)

    def record(self) -> Mapping[str, Any]:
        record: dict[str, Any] = self.repo.record("environments/production.json")
        return record

    def runs(self) -> str:
        return str(self.record()["release"])

    def is_sound(self) -> None:
        """Ledger, pointers, objects and pods of production tell the same story."""
        self.repo.inv("verify", "--env", "production")

    def pods(self, app: str) -> dict[str, str]:
        """The UID and the image of each pod that is not about to end."""
        items = self.kubectl.json("get", "pods", f"--selector=app={app}")["items"]
        return {
            one["metadata"]["uid"]: one["spec"]["containers"][0]["image"]
            for one in items
            if "deletionTimestamp" not in one["metadata"]
        }

    def version(self, service: str) -> str:
        """What the release that runs is told to answer."""
        return self.repo.git("show", f"{self.runs()}:{service}/version")

    def colour(self) -> str:
        return str(self.kubectl.json("get", "configmap", "settings")["data"]["colour"])


@contextmanager
def opened(cluster: lab.Lab, folder: Path) -> Iterator[Storefront]:
    """Make one whose first release runs, after a pre-deploy command."""
    assert cluster.kubeconfig is not None
    namespace = f"shop{secrets.token_hex(4)}"
    env = {**environment(cluster), "INVOKE_RUNTIME_CONFIG": str(_settings(cluster, folder))}
    repo = Monorepo(
        folder / "clone", folder / "origin.git", cluster.registry, namespace, env, SERVICES
    )
    made = Storefront(repo, Kubectl(cluster.kubeconfig, namespace), cluster)
    repo.begin(
        {
            "tasks.py": TASKS,
            "pyproject.toml": PYPROJECT.format(namespace=namespace),
            "deploy/shop.yaml": manifests(),
            "shared/run.sh": RUN,
            "shared/migrate.sh": MIGRATE,
            **{f"{one}/Dockerfile": DOCKERFILE.format(service=one) for one in SERVICES},
            **{f"{one}/{name}": text for one in SERVICES for name, text in FINE.items()},
        }
    )
    for name in made.namespaces:
        made.kubectl("create", "namespace", name)
    repo.inv("build", "--sha")
    with made.settings(pre_deploy=MIGRATION):
        made.promote()
    yield made
    made.kubectl("delete", "namespace", *made.namespaces, "--wait=false")


def _settings(cluster: lab.Lab, folder: Path) -> Path:
    """Write what Invoke is told on a machine with this lab, whose base image has a shell alone."""
    settings = json.loads(cluster.overrides())
    settings["buildonce"]["bases"] = {"busybox:stable": cluster.pause_image}
    path = folder / "invoke.json"
    path.write_text(json.dumps(settings))
    return path
