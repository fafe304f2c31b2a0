"""A monorepo whose production runs on a host and, as a cluster, on a Swarm: from the command line.

Staging has no engine: what these tests are about is production.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lab
from buildonce.engines.base import Target
from tests.kit.hosts import Place, get
from tests.kit.monorepo import (
    SERVICES,
    TASKS,
    Done,
    Monorepo,
    environment,
)
from tests.kit.shop import HEALTH, PROGRAM

PYPROJECT = """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{namespace}/{{service}}"
services = {{ web = {{}}, jobs = {{}} }}

[tool.buildonce.environments.staging]

[tool.buildonce.environments.production]
after = "staging"
engine = "compose"
file = "deploy/compose.yaml"
host = "{production}"
project = "{namespace}"
timeout = "2m"
variables = {{ PLACE = "production" }}
pre_deploy = {{ service = "jobs", command = ["python3", "/app/migrate.py"] }}

[tool.buildonce.environments.cluster]
after = "staging"
engine = "swarm"
file = "deploy/stack.yaml"
host = "{cluster}"
project = "{namespace}-stack"
timeout = "3m"
variables = {{ PLACE = "cluster" }}
pre_deploy = {{ service = "jobs", command = ["python3", "/app/migrate.py"] }}
"""

DOCKERFILE = """\
FROM python:3.13-slim
COPY {service} shared /app/
HEALTHCHECK --interval=3s --timeout=3s --start-period=2s --start-interval=250ms --retries=2 \\
    CMD ["bash", "/app/health.sh"]
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
    """A monorepo whose production runs on a host."""

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
        return self.repo.meanwhile("promote", "production", words=words, act=act)

    def is_sound(self) -> None:
        """Pointers, ledger and containers of production tell the same story."""
        self.repo.inv("verify", "--env", "production")

    def record(self) -> Mapping[str, object]:
        record: dict[str, object] = self.repo.record("environments/production.json")
        return record


@contextmanager
def opened(hosts: lab.Lab, folder: Path) -> Iterator[Front]:
    """Make one whose first release runs in production; remove its containers in the end."""
    namespace = f"front{secrets.token_hex(4)}"
    repo = Monorepo(
        folder / "clone", folder / "origin.git", hosts.registry, namespace, environment(hosts),
        SERVICES,
    )  # fmt: skip
    cluster, production = hosts.hosts["host1"], hosts.hosts["host2"]
    pyproject = PYPROJECT.format(namespace=namespace, cluster=cluster, production=production)
    repo.begin(
        {
            "tasks.py": TASKS,
            "pyproject.toml": pyproject,
            "deploy/compose.yaml": COMPOSE,
            "deploy/stack.yaml": STACK,
            "shared/app.py": APP + PROGRAM,
            "shared/health.sh": HEALTH,
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
    _remove(production, namespace)


def _remove(host: str, project: str) -> None:
    place = Place(Target("", "compose", host, project), Path(), "")
    label = f"--filter=label=com.docker.compose.project={project}"
    if ids := place.docker("ps", "--all", "--quiet", label).split():
        place.docker("rm", "--force", "--volumes", *ids)
