"""The ledger: releases and promotions, as files on a git branch.

Its tree is the present state, its log the history: one commit for each event, its message
with trailers for machines. Present state is read from the tree alone, however long the
history has become.

    releases/<sha>.json                   what was built
    environments/<name>.json              what an environment runs, and what is in progress
    standings/<environment>/<sha>.json    what became of a release there
    pruned/<sha>.json                     a release out of use, until its tags are gone
    deployments/<environment>.yaml        the definition it runs by, usable without this program
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildonce.branch import Branch
from buildonce.environment import EnvironmentRecord, Standing
from buildonce.errors import BuildonceError, IntegrityError, UnavailableError
from buildonce.git import Git, GitError, trailers
from buildonce.records import AnyRecord, Record, parse_record
from buildonce.release import Release

PATIENCE = 60.0
"""Seconds that an append goes on trying while others write."""


def release_path(sha: str) -> str:
    """Return where a release's record is."""
    return f"releases/{sha}.json"


def environment_path(name: str) -> str:
    """Return where an environment's record is."""
    return f"environments/{name}.json"


def standing_path(environment: str, sha: str) -> str:
    """Return where a release's standing in an environment is."""
    return f"standings/{environment}/{sha}.json"


def pruned_path(sha: str) -> str:
    """Return where a pruned release's record is until its tags are gone."""
    return f"pruned/{sha}.json"


def deployment_path(environment: str) -> str:
    """Return where the definition that an environment runs by is."""
    return f"deployments/{environment}.yaml"


@dataclass(frozen=True)
class Event:
    """One commit of the ledger: a subject, trailers, and the files it writes or removes."""

    subject: str
    trailers: tuple[tuple[str, str], ...]
    files: Mapping[str, Record | str | None]

    def message(self) -> str:
        """Return the commit's message."""
        return f"{self.subject}\n\n{trailers(self.trailers)}\n"


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one commit; ``commit`` is None before its first event."""

    git: Git
    commit: str | None
    _files: dict[str, bytes | None] = field(default_factory=dict, repr=False)

    def release(self, sha: str) -> Release | None:
        """Return the record of a release, or None where that commit was not built."""
        release = self._record(Release, release_path(sha))
        return release and self._same(release, "sha", sha, release_path(sha))

    def runs(self, record: EnvironmentRecord) -> Release | None:
        """Return the release that an environment runs; None where it runs none, or has lost it."""
        return self.release(record.release) if record.release else None

    def environment(self, name: str) -> EnvironmentRecord:
        """Return an environment's record; an empty one before its first promotion."""
        path = environment_path(name)
        record = self._record(EnvironmentRecord, path)
        if record is not None:
            return self._same(record, "environment", name, path)
        if name in self.folders("standings"):
            raise IntegrityError(
                f"the ledger's {path} is gone, and releases were good in {name}",
                hint=self.who_changed(path),
            )
        return EnvironmentRecord(environment=name)

    def proof(self, environment: str, sha: str) -> Standing | None:
        """Return the standing that proves that a release was good there, with its present bytes."""
        standing = self.standing(environment, sha)
        return None if standing and standing.pruned else standing

    def standing(self, environment: str, sha: str) -> Standing | None:
        """Return what became of a release in an environment; None where it was never good."""
        return self._record(Standing, standing_path(environment, sha))

    def ways_back(self, record: EnvironmentRecord) -> list[str]:
        """Return the releases that an environment could roll back to, the latest first."""
        past = [good.release for good in record.good if good.release != record.release]
        self.load(*(standing_path(record.environment, sha) for sha in past))
        standings = [(sha, self.standing(record.environment, sha)) for sha in past]
        return [sha for sha, standing in standings if standing and not standing.held]

    def pruned(self, sha: str) -> Release | None:
        """Return the record of a release that is out of use and whose tags are not gone yet."""
        return self._record(Release, pruned_path(sha))

    def has_deployment(self, environment: str) -> bool:
        """Tell whether a release was ever deployed in an environment."""
        return self._file(deployment_path(environment)) is not None

    def names(self, folder: str) -> list[str]:
        """Return the names of the records in ``releases``, ``environments`` and so on."""
        return [
            name.removesuffix(".json") for name in self.folders(folder) if name.endswith(".json")
        ]

    def folders(self, folder: str) -> list[str]:
        """Return the names of everything in a folder."""
        if self.commit is None:
            return []
        listed = self.git.run(
            "ls-tree", "-z", "--name-only", "--full-tree", self.commit, f"{folder}/"
        )
        paths = listed.decode().split("\0")
        return [path.removeprefix(f"{folder}/") for path in paths if path]

    def load(self, *paths: str) -> None:
        """Read several files at once, to spare a process for each."""
        wanted = [path for path in paths if path not in self._files]
        if self.commit is None or not wanted:
            self._files.update(dict.fromkeys(wanted))
            return
        request = "".join(f"{self.commit}:{path}\n" for path in wanted).encode()
        answer = self.git.run("cat-file", "--batch", stdin=request)
        for path in wanted:
            header, _, answer = answer.partition(b"\n")
            if header.endswith(b" missing"):
                self._files[path] = None
                continue
            size = int(header.rsplit(b" ", 1)[1])
            self._files[path], answer = answer[:size], answer[size + 1 :]

    def followed_by(self, commit: str, event: Event) -> Snapshot:
        """Return the state after an event, whose files need not be read again."""
        written = {path: _encoded(content) for path, content in event.files.items()}
        return Snapshot(self.git, commit, {**self._files, **written})

    def _record(self, model: type[AnyRecord], path: str) -> AnyRecord | None:
        content = self._file(path)
        if content is None:
            return None
        try:
            return parse_record(model, content, path)
        except IntegrityError as error:
            raise IntegrityError(error.message, hint=self.who_changed(path)) from None

    def who_changed(self, path: str) -> str:
        """Return the command that shows what became of a file, and by whom."""
        since = (self.commit or "")[:12]
        return f"git log -p {since} -- :/{path}   (who changed it, and what it was)"

    def _same(self, record: AnyRecord, field_name: str, expected: str, path: str) -> AnyRecord:
        found = getattr(record, field_name)
        if found != expected:
            raise IntegrityError(
                f"the ledger's {path} is the record of {found!r}", hint=self.who_changed(path)
            )
        return record

    def _file(self, path: str) -> bytes | None:
        self.load(path)
        return self._files[path]


@dataclass
class Ledger:
    """Reads the ledger, and appends events to it by compare-and-swap."""

    branch: Branch
    _seen: Snapshot | None = field(default=None, init=False, repr=False)

    def read(self) -> Snapshot:
        """Return the present state.

        Raises:
            UnavailableError: the remote did not answer.
            IntegrityError: its history was rewritten.
        """
        self._seen = Snapshot(self.branch.git, self.branch.tip())
        return self._seen

    def append(self, event_after: Callable[[Snapshot], Event | None]) -> Snapshot:
        """Append the event that ``event_after`` makes of the present state.

        Where others write at the same time, it is asked again with the state they left; it
        must therefore recognise an event of its own that is there already, and may refuse by
        raising. None means that nothing is to be written.

        Raises:
            UnavailableError: the ledger cannot be written.
        """
        give_up = time.monotonic() + PATIENCE
        after = self._append_to_seen(event_after)
        while after is None:
            if time.monotonic() > give_up:
                raise UnavailableError(
                    f"the ledger was written by others for {PATIENCE:.0f} s without a gap",
                    hint="run the same command again",
                )
            before = self.read()
            event = event_after(before)
            if event is None:
                return before
            after = self._write(before, event)
            if after is None:
                time.sleep(random.uniform(0.01, 0.2))
        return after

    def _append_to_seen(self, event_after: Callable[[Snapshot], Event | None]) -> Snapshot | None:
        """Append to what was seen last, without asking the remote; None where that fails.

        Where somebody wrote since, the compare-and-swap fails. Where there is nothing to write,
        or a reason not to, only the present state can tell.
        """
        seen = self._seen
        try:
            event = event_after(seen) if seen else None
        except BuildonceError:
            return None
        return self._write(seen, event) if seen and event else None

    def _write(self, before: Snapshot, event: Event) -> Snapshot | None:
        """Append an event to a state; None where the branch is no longer there."""
        commit = self._commit(before.commit, event)
        if not self.branch.move(before.commit, commit):
            return None
        self._seen = before.followed_by(commit, event)
        return self._seen

    def _commit(self, parent: str | None, event: Event) -> str:
        try:
            with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
                tree = self._tree(parent, event, Path(folder) / "index")
            parents = ["-p", parent] if parent else []
            made = self.branch.git.run(
                "commit-tree", tree, *parents,
                stdin=event.message().encode(), environment=self._identity(),
            )  # fmt: skip
        except (GitError, OSError) as error:
            raise UnavailableError(
                f"the ledger could not be written in {self.branch.git.root}: {error}",
                hint="nothing was recorded; check the disk, then run the same command again",
            ) from None
        return made.decode().strip()

    def _tree(self, parent: str | None, event: Event, index: Path) -> str:
        git, environment = self.branch.git, {"GIT_INDEX_FILE": str(index)}
        git.run("read-tree", parent or "--empty", environment=environment)
        removed = f"0 {'0' * len(parent or '')}"
        contents = {path: _encoded(content) for path, content in event.files.items()}
        lines = [
            f"{removed if content is None else f'100644 {self._blob(content)}'}\t{path}"
            for path, content in contents.items()
            if parent or content is not None
        ]
        git.run(
            "update-index", "--index-info",
            stdin="\n".join(lines).encode() + b"\n", environment=environment,
        )  # fmt: skip
        return git.run("write-tree", environment=environment).decode().strip()

    def _blob(self, content: bytes) -> str:
        made = self.branch.git.run("hash-object", "-w", "--no-filters", "--stdin", stdin=content)
        return made.decode().strip()

    def _identity(self) -> dict[str, str]:
        name, _, email = self.branch.git.identity().rpartition(" ")
        email = email.strip("<>")
        roles = ("AUTHOR", "COMMITTER")
        return {f"GIT_{role}_NAME": name for role in roles} | {
            f"GIT_{role}_EMAIL": email for role in roles
        }


def _encoded(content: Record | str | None) -> bytes | None:
    text = content.to_json() if isinstance(content, Record) else content
    return None if text is None else text.encode()
