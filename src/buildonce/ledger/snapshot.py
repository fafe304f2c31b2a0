"""The ledger's state at one commit, and the events that lead to the next.

The tree is the present state: one JSON file for each record, read from git by path.

    releases/<sha>.json                   what was built
    images/<service>/<identity>.json      the one image of a service's inputs
    environments/<name>.json              what an environment runs, and what is in progress
    runs/<environment>/<sha>.json         when a release ran there
    pruned/<sha>.json                     a release out of use, until its tags are gone
    deployments/<environment>.json        what its containers were deployed by, and where
    deployments/<environment>.yaml        the definition it runs by, usable without this program
    bundles/<environment>/<sha>.<engine>.yaml   the same of a release, images as variables
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildonce.errors import IntegrityError
from buildonce.git.repository import Git, trailers
from buildonce.ledger.records.deployment import DeploymentRecord
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.record import AnyRecord, Record, parse_record
from buildonce.ledger.records.release import ImageRecord, Release


def release_path(sha: str) -> str:
    """Return where a release's record is."""
    return f"releases/{sha}.json"


def image_path(service: str, identity: str) -> str:
    """Return where the record of the image of a service's inputs is."""
    return f"images/{service}/{identity}.json"


def environment_path(name: str) -> str:
    """Return where an environment's record is."""
    return f"environments/{name}.json"


def run_path(environment: str, sha: str) -> str:
    """Return where the record of a release's run in an environment is."""
    return f"runs/{environment}/{sha}.json"


def bundle_path(environment: str, sha: str, engine: str) -> str:
    """Return where an engine's deployment files of a release in an environment are, as one text."""
    return f"bundles/{environment}/{sha}.{engine}.yaml"


def pruned_path(sha: str) -> str:
    """Return where a pruned release's record is until its tags are gone."""
    return f"pruned/{sha}.json"


def deployment_path(environment: str) -> str:
    """Return where the definition that an environment runs by is."""
    return f"deployments/{environment}.yaml"


def deployed_path(environment: str) -> str:
    """Return where the record of what an environment's containers were deployed by is."""
    return f"deployments/{environment}.json"


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
    _folders: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def release(self, sha: str) -> Release | None:
        """Return the record of a release, or None where that commit was not built."""
        release = self._record(Release, release_path(sha))
        return release and self._same(release, "sha", sha, release_path(sha))

    def image(self, service: str, identity: str) -> ImageRecord | None:
        """Return the image of a service's inputs; None where they were never built."""
        path = image_path(service, identity)
        record = self._record(ImageRecord, path)
        return record and self._same(record, "identity", identity, path)

    def runs(self, record: EnvironmentRecord) -> Release | None:
        """Return what an environment runs of its release; None for nothing, or a lost record."""
        release = self.release(record.release) if record.release else None
        return release and release.only(record.services)

    def environment(self, name: str) -> EnvironmentRecord:
        """Return an environment's record; an empty one before its first promotion."""
        path = environment_path(name)
        record = self._record(EnvironmentRecord, path)
        if record is not None:
            return self._same(record, "environment", name, path)
        if name in self.folders("runs"):
            raise IntegrityError(
                f"the ledger's {path} is gone, and releases ran in {name}",
                hint=self.who_changed(path),
            )
        return EnvironmentRecord(environment=name)

    def proof(self, environment: str, sha: str) -> RunRecord | None:
        """Return the record that proves that a release ran there, with its present bytes."""
        run = self.run(environment, sha)
        return None if run and run.pruned else run

    def run(self, environment: str, sha: str) -> RunRecord | None:
        """Return when an environment ran a release; None where it never did."""
        return self._record(RunRecord, run_path(environment, sha))

    def ways_back(self, record: EnvironmentRecord) -> list[str]:
        """Return the releases that an environment could roll back to, the latest first."""
        past = [done.release for done in record.successes if done.release != record.release]
        self.load(*(run_path(record.environment, sha) for sha in past))
        runs = [(sha, self.run(record.environment, sha)) for sha in past]
        return [sha for sha, run in runs if run and not run.blocked]

    def pruned(self, sha: str) -> Release | None:
        """Return the record of a release that is out of use and whose tags are not gone yet."""
        return self._record(Release, pruned_path(sha))

    def bundle(self, environment: str, sha: str, engine: str) -> str | None:
        """Return what an engine deployed a release by in an environment; None if it never did."""
        content = self._file(bundle_path(environment, sha, engine))
        return None if content is None else content.decode()

    def bundles(self, environment: str, sha: str) -> list[str]:
        """Return the paths of a release's bundles in an environment, one for each engine."""
        folder = f"bundles/{environment}"
        names = self.folders(folder)
        return [f"{folder}/{name}" for name in names if name.startswith(f"{sha}.")]

    def deployed(self, environment: str) -> DeploymentRecord | None:
        """Return what an environment's containers were deployed by; None where it is not known."""
        return self._record(DeploymentRecord, deployed_path(environment))

    def has_deployment(self, environment: str) -> bool:
        """Tell whether a release was ever deployed in an environment."""
        return self.has(deployment_path(environment))

    def has(self, path: str) -> bool:
        """Tell whether there is a file."""
        return self._file(path) is not None

    def names(self, folder: str) -> list[str]:
        """Return the names of the records in ``releases``, ``environments`` and so on."""
        return [
            name.removesuffix(".json") for name in self.folders(folder) if name.endswith(".json")
        ]

    def folders(self, folder: str) -> list[str]:
        """Return the names of everything in a folder."""
        if self.commit is None:
            return []
        if folder not in self._folders:
            listed = self.git.run(
                "ls-tree", "-z", "--name-only", "--full-tree", self.commit, f"{folder}/"
            )
            paths = listed.decode().split("\0")
            self._folders[folder] = [path.removeprefix(f"{folder}/") for path in paths if path]
        return self._folders[folder]

    def load(self, *paths: str) -> None:
        """Read several files at once, to spare a process for each."""
        wanted = [path for path in paths if path not in self._files]
        if self.commit is None or not wanted:
            self._files.update(dict.fromkeys(wanted))
            return
        contents = self.git.blobs([f"{self.commit}:{path}" for path in wanted])
        self._files.update(zip(wanted, contents, strict=True))

    def followed_by(self, commit: str, event: Event) -> Snapshot:
        """Return the state after an event, whose files need not be read again."""
        written = {path: encoded(content) for path, content in event.files.items()}
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


def encoded(content: Record | str | None) -> bytes | None:
    """Return a file's bytes; None where the event removes it."""
    text = content.to_json() if isinstance(content, Record) else content
    return None if text is None else text.encode()
