"""Scratch monorepos with a remote of their own, and `inv` run in them as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lab
from tests.kit import inv_server
from tests.kit.registry_wire import Images

LEDGER = "release-ledger"
SERVICES = ("web", "jobs")

TASKS = """\
from buildonce.tasks import release_tasks

namespace = release_tasks(__file__)
"""

PYPROJECT = """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{namespace}/{{service}}"

[tool.buildonce.services.web]
inputs = ["web", "shared"]
args = {{ FLAVOUR = "plain" }}

[tool.buildonce.services.jobs]
inputs = ["jobs", "shared"]

[tool.buildonce.environments.staging]

[tool.buildonce.environments.production]
after = "staging"
"""

DOCKERFILE = """\
FROM python:3.13-slim
ARG FLAVOUR=none
ENV FLAVOUR=$FLAVOUR
COPY shared {service} /app/
"""

NOTHING: Mapping[str, str] = {}
NO_ENGINE = "unix:///nowhere/docker.sock"


def as_person(name: str, email: str) -> dict[str, str]:
    """The variables by which git takes somebody for the author of commits."""
    roles = ("AUTHOR", "COMMITTER")
    return {
        **{f"GIT_{role}_NAME": name for role in roles},
        **{f"GIT_{role}_EMAIL": email for role in roles},
    }


NOBODYS_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **as_person("Dana Developer", "dana@example.org"),
}


def environment(running: lab.Lab) -> dict[str, str]:
    """A person's environment on a machine with the lab: nothing of CI or of the developer.

    Where the lab is a registry alone, no engine answers.
    """
    ours = ("GITHUB_", "INVOKE_", "GIT_", "DOCKER_", "KUBECONFIG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "DOCKER_HOST": NO_ENGINE, **running.environ(), **NOBODYS_GIT, "NO_COLOR": "1"}


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def row(self, *words: str) -> str:
        """The one line of a table that has all of these words."""
        (line,) = [line for line in self.out.splitlines() if set(words) <= set(line.split())]
        return line


@dataclass(frozen=True)
class State:
    """Everything that a command could have written: the remote's refs and the registry's tags."""

    refs: dict[str, str]
    tags: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Monorepo:
    """A clone of a small monorepo: `root` is the project's folder, `origin` its bare remote."""

    root: Path
    origin: Path
    registry: str
    namespace: str
    env: Mapping[str, str]
    services: tuple[str, ...] = SERVICES

    def inv(self, *arguments: str, expect: int = 0, env: Mapping[str, str] = NOTHING) -> Done:
        """Run `inv`; it must end with `expect` and never show a traceback."""
        done = Done(*inv_server.run(arguments, self.root, {**self.env, **env}))
        said = f"inv {' '.join(arguments)} ended with {done.code}\n{done.out}\n{done.err}"
        assert done.code == expect, said
        assert "Traceback" not in done.out + done.err, said
        return done

    def in_registry(self, address: str, folder: Path) -> Monorepo:
        """The same monorepo on a machine that uses another registry."""
        machines = json.loads(Path(self.env["INVOKE_RUNTIME_CONFIG"]).read_text())["buildonce"]
        override = folder / "override.json"
        override.write_text(json.dumps({"buildonce": {**machines, "registry": address}}))
        env = {**self.env, "INVOKE_RUNTIME_CONFIG": str(override)}
        return replace(self, registry=address, env=env)

    def start(self, *arguments: str, env: Mapping[str, str] = NOTHING) -> subprocess.Popen[str]:
        """Start `inv`. Git hooks that it sets off find its process id in $INV_PID."""
        itself = 'INV_PID=$$; export INV_PID; exec "$0" -m invoke "$@"'
        return subprocess.Popen(
            ["sh", "-c", itself, sys.executable, *arguments],
            cwd=self.root, env={**self.env, **env}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def meanwhile(
        self, *arguments: str, words: str, act: Callable[[subprocess.Popen[str]], None]
    ) -> Done:
        """Run `inv`, and do something the moment that it says these words."""
        process = self.start(*arguments)
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if words in line:
                act(process)
                break
        done = ended(process)
        return Done(done.code, done.out, said + done.err)

    def git(self, *arguments: str, cwd: Path | None = None, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, env=self.env,
            input=stdin, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def begin(self, files: Mapping[str, str]) -> None:
        """Make the clone and its remote, with these files as the first commit."""
        self.root.mkdir(parents=True)
        clone, init = self.origin.parent / "clone", ("init", "--quiet", "--initial-branch=main")
        self.git(*init, "--bare", str(self.origin))
        self.git(*init, cwd=clone)
        self.git("remote", "add", "origin", str(self.origin))
        self.commit("Begin", files)

    def commit(self, message: str, files: Mapping[str, str] | None = None) -> str:
        """Commit and push these files; return the tag of the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.sha()

    def sha(self, name: str = "HEAD") -> str:
        return self.git("rev-parse", name)[:12]

    def clone(self, folder: Path, *options: str) -> Monorepo:
        """Another clone of the same remote, beside this one."""
        self.git(
            "clone", "--quiet", *options, f"file://{self.origin}", str(folder), cwd=self.origin
        )
        return replace(self, root=folder)

    def images(self, service: str) -> Images:
        return Images(self.registry, f"{self.namespace}/{service}")

    def digests(self, tag: str) -> dict[str, str | None]:
        """What a tag names, for each service."""
        found = {service: self.images(service).get(tag) for service in self.services}
        return {name: stored.digest if stored else None for name, stored in found.items()}

    def state(self) -> State:
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)", cwd=self.origin)
        return State(
            refs=dict(line.split() for line in refs.splitlines()),
            tags={service: self.images(service).tags() for service in self.services},
        )

    def record(self, path: str) -> Any:
        """A file of the remote's ledger."""
        return json.loads(self.git("show", f"{LEDGER}:{path}", cwd=self.origin))

    def ledger(self) -> str:
        """The commit that the remote's ledger is at."""
        return self.git("rev-parse", "--verify", "--quiet", LEDGER, cwd=self.origin)

    def rewrite(self, path: str, text: str) -> None:
        """Write a file of the ledger by hand, as a commit of its own."""
        index = {**self.env, "GIT_INDEX_FILE": str(self.origin / "index.by-hand")}
        hand = replace(self, root=self.origin, env=index)
        blob = hand.git("hash-object", "-w", "--stdin", stdin=text)
        hand.git("read-tree", LEDGER)
        hand.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        made = hand.git("commit-tree", "-p", LEDGER, "-m", "by hand", hand.git("write-tree"))
        hand.git("update-ref", f"refs/heads/{LEDGER}", made)

    def hook(self, name: str, script: str) -> None:
        """Give the remote a hook."""
        path = self.origin / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def refuse_pushes(self) -> None:
        """From now on the remote may be read and not written."""
        self.hook("pre-receive", "echo you may only read here >&2; exit 1")

    def leave_open(self, environment: str, *arguments: str, how: int = signal.SIGKILL) -> Done:
        """Promote, and end the process the moment that its intent is in the ledger."""
        self.hook("post-receive", f"kill -{int(how)} $INV_PID; sleep 0.2")
        try:
            return ended(self.start("promote", environment, *arguments))
        finally:
            (self.origin / "hooks" / "post-receive").unlink()


Make = Callable[..., Monorepo]
"""Makes a monorepo of one commit; its options are those of `create`."""

Override = Callable[..., Path]
"""Writes a file for `inv -f` from settings, and returns its path."""


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def create(
    folder: Path, registry: str, namespace: str, env: Mapping[str, str], inside: str = "."
) -> Monorepo:
    """Make a monorepo with one commit; `inside` is the project's folder in the repository."""
    root = folder / "clone" / inside
    repo = Monorepo(root, folder / "origin.git", registry, namespace, env)
    repo.begin(sources(namespace))
    return repo


def sources(namespace: str) -> dict[str, str]:
    """The files of the monorepo's first commit."""
    dockerfiles = {f"{one}/Dockerfile": DOCKERFILE.format(service=one) for one in SERVICES}
    return {
        "tasks.py": TASKS,
        "pyproject.toml": PYPROJECT.format(namespace=namespace),
        "shared/shared.txt": "shared\n",
        "web/web.txt": "web\n",
        "jobs/jobs.txt": "jobs\n",
        **dockerfiles,
    }
