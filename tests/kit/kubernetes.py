"""A real Kubernetes for tests, where this machine has its programs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import lab
from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.engine import Kubernetes
from buildonce.refs import ImageRef, Repository, parse_digest
from tests.kit.registry_wire import OCI_INDEX, OCI_MANIFEST, Images, Stored
from tests.kit.shop import mount

NEEDED = "BUILDONCE_KUBERNETES"

needs_kubernetes = pytest.mark.skipif(
    not os.environ.get(NEEDED),
    reason=f"set {NEEDED} to a folder with kube-apiserver, kube-controller-manager, "
    "kube-scheduler, kube-proxy, kubelet and coredns for this machine",
)


@dataclass(frozen=True)
class Kubectl:
    """kubectl as the cluster's administrator, in one namespace."""

    kubeconfig: Path
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]
            + list(arguments),
            input=stdin, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--output=json"))

    def apply(self, *objects: object) -> None:
        """Have these objects, as anybody would apply them."""
        self("apply", "--filename=-", stdin=json.dumps(as_list(*objects)))


def as_list(*objects: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


LABEL = "buildonce/project=shop"
SERVE = (
    'mkdir -p /tmp/www; echo "$VERSION $COLOUR" >/tmp/www/index.html; '
    "exec httpd -f -p 8000 -h /tmp/www"
)


@dataclass
class Namespace:
    """One environment: a namespace of the cluster, the library's engine, and kubectl beside it."""

    cluster: lab.Lab
    name: str
    told: list[str] = field(default_factory=list)

    @property
    def kubectl(self) -> Kubectl:
        assert self.cluster.kubeconfig is not None
        return Kubectl(self.cluster.kubeconfig, self.name)

    def image(self, service: str, version: str, command: str = SERVE) -> ImageRef:
        """An image of a service in the lab's registry: a shell's command, and its version."""
        base = ImageRef.parse(self.cluster.pause_image)
        path = f"{self.name}/{service}"
        source = Images(base.repository.registry, base.repository.path)
        target = Images(base.repository.registry, path)
        stored, config = source.require(base.reference), source.config(base.reference)
        config["config"] |= {
            "Env": ["PATH=/usr/bin", f"VERSION={version}", f"NAME={service}"],
            "Cmd": ["sh", "-c", command],
        }
        for layer in stored.layers:
            mount(target, layer, source.path)
        content, document = json.dumps(config).encode(), stored.document
        document["config"] |= {"digest": target.put_blob(content), "size": len(content)}
        made = Stored(json.dumps(document).encode(), OCI_MANIFEST)
        target.put(version, made)
        return Repository(base.repository.registry, path).at(parse_digest(made.digest))

    def index(self, service: str, version: str) -> tuple[ImageRef, ImageRef]:
        """An image that is an index, and the manifest of this platform that it lists."""
        plain = self.image(service, version)
        images = Images(plain.repository.registry, plain.repository.path)
        stored = images.require(plain.reference)
        platform = {"os": "linux", "architecture": images.config(plain.reference)["architecture"]}
        listed = [{**stored.descriptor(), "platform": platform}]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        made = Stored(json.dumps(document).encode(), OCI_INDEX)
        images.put(f"{version}-index", made)
        return plain.repository.at(parse_digest(made.digest)), plain

    def release(self, version: str, **commands: str) -> dict[str, ImageRef]:
        """Both services in one version; `api="false"` has that one run another command."""
        return {
            name: self.image(name, version, commands.get(name, SERVE)) for name in ("api", "worker")
        }

    def bind(
        self, files: str | Mapping[str, str], images: Mapping[str, ImageRef], **settings: Any
    ) -> Kubernetes:
        """The engine, with a release of these files."""
        written = {"shop.yaml": files} if isinstance(files, str) else files
        path = settings.pop("path", "shop.yaml")
        target = Target(
            "production", "kubernetes", host=settings.pop("context", "lab"), namespace=self.name,
            project=settings.pop("project", "shop"), timeout=settings.pop("timeout", 60),
        )  # fmt: skip

        def export(folder: Path) -> Path:
            for name, text in written.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            return folder

        return Kubernetes(
            Deployment(
                target,
                secrets.token_hex(6),
                Files((path,), export, lambda _: ""),
                images,
                **settings,
            )
        )

    def deploy(self, files: str, images: Mapping[str, ImageRef], **settings: Any) -> Kubernetes:
        """What a promotion does: check, then deploy."""
        engine = self.bind(files, images, **settings)
        engine.check()
        engine.deploy(self.told.append)
        return engine

    def pods(self, app: str = "") -> dict[str, str]:
        """The UID and the image of each pod that is not about to end."""
        selector = f"app={app}" if app else LABEL
        items = self.kubectl.json("get", "pods", f"--selector={selector}")["items"]
        return {
            one["metadata"]["uid"]: one["spec"]["containers"][0]["image"]
            for one in items
            if "deletionTimestamp" not in one["metadata"]
        }


def deployment(name: str, image: str, *, replicas: int | None = 1, **container: object) -> str:
    """A Deployment as YAML, which is ready once it answers."""
    main = {
        "name": name,
        "image": image,
        "env": [{"name": "COLOUR", "value": "red"}],
        "readinessProbe": {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1},
        **container,
    }
    return workload("Deployment", name, main, replicas=replicas)


def stateful_set(name: str, image: str, **container: object) -> str:
    """A StatefulSet of one pod with a claim."""
    main = {
        "name": name,
        "image": image,
        "readinessProbe": {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        **container,
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    return workload(
        "StatefulSet", name, main, replicas=1, serviceName=name, volumeClaimTemplates=[claim]
    )


def workload(
    kind: str, name: str, container: Mapping[str, object], *, replicas: int | None,
    pods: Mapping[str, object] | None = None, **spec: object,
) -> str:  # fmt: skip
    labels = {"app": name}
    pods = {"containers": [container], "terminationGracePeriodSeconds": 1, **(pods or {})}
    counted = {} if replicas is None else {"replicas": replicas}
    return document(
        "apps/v1",
        kind,
        name,
        spec={
            **counted,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pods},
            **spec,
        },
    )


def cron_job(name: str, image: str) -> str:
    pods = {"containers": [{"name": name, "image": image}], "restartPolicy": "Never"}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pods}}}}
    return document("batch/v1", "CronJob", name, spec=spec)


def config_map(name: str, **data: str) -> str:
    return document("v1", "ConfigMap", name, data=data)


def service(name: str) -> str:
    ports = [{"port": 80, "targetPort": 8000}]
    return document("v1", "Service", name, spec={"selector": {"app": name}, "ports": ports})


def document(version: str, kind: str, name: str, **rest: object) -> str:
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}
    return f"---\n{json.dumps(body, indent=1)}\n"
