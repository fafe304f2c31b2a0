"""The ledger: reads its state from a git branch, and appends events to it.

Its tree is the present state, its log the history: one commit for each event, its message
with trailers for machines. Present state is read from the tree alone, however long the
history has become.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from buildonce.errors import BuildonceError, UnavailableError
from buildonce.git.process import GitError
from buildonce.ledger.branch import Branch
from buildonce.ledger.snapshot import Event, Snapshot, encoded

PATIENCE = 60.0
"""Seconds that an append goes on trying while others write."""


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
        contents = {path: encoded(content) for path, content in event.files.items()}
        written = {path: content for path, content in contents.items() if content is not None}
        blobs = dict(zip(written, self._blobs(written.values(), index.parent), strict=True))
        removed = f"0 {'0' * len(parent or '')}"
        lines = [
            f"100644 {blobs[path]}\t{path}" if path in blobs else f"{removed}\t{path}"
            for path in contents
            if parent or path in blobs
        ]
        git.run(
            "update-index", "--index-info",
            stdin="\n".join(lines).encode() + b"\n", environment=environment,
        )  # fmt: skip
        return git.run("write-tree", environment=environment).decode().strip()

    def _blobs(self, contents: Collection[bytes], folder: Path) -> list[str]:
        """Store files' contents, in one process, and return their ids."""
        files = [folder / str(number) for number, _ in enumerate(contents)]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        named = "".join(f"{file}\n" for file in files)
        made = self.branch.git.run(
            "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=os.fsencode(named)
        )
        return made.decode().split()

    def _identity(self) -> dict[str, str]:
        name, _, email = self.branch.git.identity().rpartition(" ")
        email = email.strip("<>")
        roles = ("AUTHOR", "COMMITTER")
        return {f"GIT_{role}_NAME": name for role in roles} | {
            f"GIT_{role}_EMAIL": email for role in roles
        }
