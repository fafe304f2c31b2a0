"""Releases without a build: tiny images in the real registry, recorded in the real ledger.

Commands run inside the test's own process, with the environment that `inv` would have.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection
from typing import Any, TypeVar
from unittest import mock

import pytest
from rich.console import Console

from buildonce.app import App
from buildonce.config import read_table
from buildonce.ledger import events
from buildonce.ledger.records.release import Image, Release
from buildonce.refs import digest_of, parse_digest
from buildonce.registry import Registry
from buildonce.report.terminal import Reporter
from tests.e2e.checkpoint import Checkpoint
from tests.e2e.support import LEDGER, Monorepo
from tests.e2e.wire import OCI_MANIFEST, Images, Stored

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
EARLY = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def project(make: Callable[..., Monorepo], env: Mapping[str, str]) -> Iterator[Monorepo]:
    """A monorepo of one commit that was not built, and its environment in this process."""
    with mock.patch.dict(os.environ, env, clear=True):
        yield make()


class Heard(Reporter):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = io.StringIO()
        self.out = self.err = Console(file=self._heard, width=1000)

    @property
    def text(self) -> str:
        return self._heard.getvalue()


Figures = Callable[..., None]


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Report what a test measured: shown at the end of the run, and kept in its JUnit report."""

    def report(what: str, **measured: object) -> None:
        line = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in measured.items())
        record_property(what, line)

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    lines = [f"{what}: {line}" for report in reports for what, line in report.user_properties]
    if lines:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(lines))


def app(repo: Monorepo, *, dry_run: bool = False, **settings: Any) -> App:
    """What a command is given, as `inv` makes it; `settings` override the configuration's."""
    place = {"registry": repo.registry, "image": f"{{registry}}/{repo.namespace}/{{service}}"}
    table = {**read_table(repo.root), **place, **settings}
    return App(repo.root, table, dry_run=dry_run, report=Heard())


def heard(there: App) -> str:
    """What a command has said so far."""
    assert isinstance(there.report, Heard)
    return there.report.text


def release(repo: Monorepo, message: str = "Change", **changed: str) -> str:
    """Commit, push images of that commit and record them, as a build would; return its tag.

    `changed` gives services another content; the layers of the others stay as they were.
    """
    sha = repo.commit(
        message, {f"{service}/{service}.txt": text for service, text in changed.items()}
    )
    record_release(repo, repo.git("rev-parse", "HEAD"))
    return sha


def record_release(repo: Monorepo, revision: str, at: datetime | None = None) -> Release:
    """Push images of a commit and record them; without a time, later commits are built later."""
    sha = revision[:12]
    services = {service: push(repo, service, revision) for service in repo.services}
    depth = timedelta(minutes=int(repo.git("rev-list", "--count", revision)))
    made = Release(
        revision=revision, sha=sha, expects=repo.services, services=services,
        built_at=at or EARLY + depth, built_by="Bo Builder <bo@example.org>", built_with="a test",
    )  # fmt: skip
    app(repo).ledger.append(lambda snapshot: events.built(snapshot, made))
    return made


def push(repo: Monorepo, service: str, revision: str) -> Image:
    """Push a service's image of a commit under the commit's tag: one small layer, one label."""
    images = repo.images(service)
    layer = repo.git("show", f"{revision}:{service}/{service}.txt").encode()
    labels = {"org.opencontainers.image.revision": revision}
    config = json.dumps({"config": {"Labels": labels}, "service": service}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(images, OCI_CONFIG, config),
        "layers": [_descriptor(images, OCI_LAYER, layer)],
    }
    stored = Stored(json.dumps(manifest).encode(), OCI_MANIFEST)
    images.put(revision[:12], stored)
    return Image(image=str(images), digest=parse_digest(stored.digest))


@contextmanager
def put_back(kept: Checkpoint) -> Iterator[Monorepo]:
    """Let a test have a monorepo that others will have as well; put it back as it was."""
    repo = kept.repo
    head = repo.git("rev-parse", "HEAD")
    repo.git("fetch", "--quiet", "origin", f"{LEDGER}:refs/buildonce/{LEDGER}")
    try:
        yield repo
    finally:
        repo.git("reset", "--quiet", "--hard", head)
        kept.restore()


def is_open(record: dict[str, Any]) -> bool:
    """Whether an environment's record has a promotion in progress."""
    return bool(record["promotion"]) and record["promotion"]["finished_at"] is None


class Killed(BaseException):
    """This process is as good as dead: nothing of the library may catch it."""


def leave_open(command: Callable[[], None]) -> None:
    """Run a promotion or rollback that dies once its intent is in the ledger."""
    with mock.patch.object(Registry, "point", side_effect=Killed), pytest.raises(Killed):
        command()


def facts(repo: Monorepo) -> list[dict[str, str]]:
    """Every event of the remote's ledger, the oldest first, as plain git shows its trailers."""
    log = repo.git(
        "log", "--reverse", "--format=%x1e%(trailers:only,unfold)", LEDGER, cwd=repo.origin
    )
    return [
        dict(line.split(": ", 1) for line in event.splitlines() if line)
        for event in log.split("\x1e")[1:]
    ]


Result = TypeVar("Result")


def in_processes(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """What each job returns; they run at the same time, each in a process of its own."""
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe(duplex=False) for _ in jobs]
    processes = [
        fork.Process(target=_answer, args=(writer, job))
        for (_, writer), job in zip(pipes, jobs, strict=True)
    ]
    for process, (_, writer) in zip(processes, pipes, strict=True):
        process.start()
        writer.close()
    answers = [reader.recv() for reader, _ in pipes]
    for process in processes:
        process.join()
    return answers


def _answer(writer: Connection, job: Callable[[], object]) -> None:
    writer.send(job())


def _descriptor(images: Images, media_type: str, content: bytes) -> dict[str, object]:
    images.put_blob(content)
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
