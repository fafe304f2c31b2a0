"""A real Kubernetes for tests, where this machine has its programs."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
