"""What every engine offers, and what it says about the containers that it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from buildonce.refs import Digest, ImageRef, short

MONITOR = 5.0
"""Seconds that a new container must stay up before a deploy is done, as Swarm's own updates
have it (docs.docker.com, "service update --update-monitor"): one that crashes just after its
first good health check is a failure too."""

SERVING = frozenset({"healthy", "running", "completed"})
"""States in which a container does what it is there for."""


@dataclass(frozen=True)
class Target:
    """Where an environment runs.

    ``host`` is what the engine's client takes: ``ssh://…``, ``tcp://…``, ``unix://…``, or the
    name of a context; empty, it is the client's default. ``namespace`` is the part of it that
    is the environment's, on engines that have such. ``project`` names the Compose project, the
    stack or the set of objects. ``timeout`` is how long a deploy may take, in seconds, and
    ``pre_deploy_timeout`` how long its pre-deploy command may; None: as long as it needs.
    ``pull_config`` is a folder of the docker client with the logins that hosts keep; empty, those
    of this client.
    """

    name: str
    engine: str
    host: str = ""
    project: str = ""
    timeout: float = 120.0
    namespace: str = ""
    pre_deploy_timeout: float | None = None
    pull_config: str = ""

    @property
    def table(self) -> str:
        """Where the configuration has its environment."""
        return f"tool.buildonce.environments.{self.name}"

    @property
    def place(self) -> str:
        """Its host, and what of it is the environment's."""
        return "/".join(filter(None, (self.host or "the local engine", self.namespace)))

    def __str__(self) -> str:
        return f"{self.name} ({self.place})"


@dataclass(frozen=True)
class Files:
    """The deployment files of a release's commit: where they are, and how to get them.

    ``paths`` are relative to the project's root. ``export`` writes the commit's tree into a
    new folder and returns the project's root in it; ``locate`` says where in the commit a
    variable is used, as ``file:line``, or nothing where that is not known.
    """

    paths: tuple[str, ...]
    export: Callable[[Path], Path]
    locate: Callable[[str], str]

    @property
    def name(self) -> str:
        """The first one's name, for messages."""
        return self.paths[0]


@dataclass(frozen=True)
class Deployment:
    """A release on its way to a target.

    ``files`` are those of the release's own commit. ``bundle`` is what was made of them when
    the release was deployed there before, with images as variables; None where it never was.
    ``images`` are the release's, by service and by digest. ``variables`` are the environment's
    settings from the configuration; they come before the process's own. ``names`` are what the
    files call a service's image where that is not its name in the registry. ``policy`` has the
    environment's settings, as JSON by name. ``indexes`` has the image of each manifest that is one
    platform's.
    """

    target: Target
    sha: str
    files: Files
    images: Mapping[str, ImageRef]
    variables: Mapping[str, str] = field(default_factory=dict)
    bundle: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[Digest, Digest] = field(default_factory=dict)

    def released(self, digest: Digest | None) -> Digest | None:
        """Return the release's digest of what runs: an engine may name one platform's manifest."""
        return self.indexes.get(digest, digest) if digest else None

    def recognised(self, rows: Sequence[Running]) -> list[Running]:
        """Return containers with the release's digests."""
        return [replace(row, digest=self.released(row.digest)) for row in rows]


@dataclass(frozen=True)
class Running:
    """One container as it was found, or one that is missing.

    ``service`` is its name in the definition. ``expected`` is None where the definition names
    no digest for it; ``digest`` is None where it cannot be told. ``source`` says how much
    ``digest`` is worth: read from the container itself, or from the task that a Swarm manager
    gave to a node. ``remedy`` is what ends it where a deploy does not. ``definition`` is what the
    engine knows its definition by; empty where it does not say. ``counted`` says that the
    definition says how many of it there are. ``unknown`` says why nothing can be told of it, or
    what is not known; then it proves nothing either way.
    """

    host: str
    service: str
    container: str
    digest: Digest | None
    state: str
    expected: Digest | None = None
    stray: bool = False
    source: str = "container"
    remedy: str = ""
    definition: str = ""
    counted: bool = False
    unknown: str = ""

    @property
    def problem(self) -> str:
        """What is wrong with it, in words; empty where nothing is, or nothing is known."""
        if self.unknown:
            return ""
        if self.stray:
            return f"does not belong to the release ({self.state})"
        if self.digest and self.expected and self.digest != self.expected:
            return f"runs {short(self.digest)}, not {short(self.expected)}"
        if self.state not in SERVING:
            return f"is {self.state}"
        if self.expected and not self.digest:
            return "runs an image whose digest cannot be determined"
        return ""


@dataclass(frozen=True)
class Remains:
    """What is left of a project where nothing should be: names, and the command that removes it."""

    names: tuple[str, ...]
    removal: str


@dataclass(frozen=True)
class Resolved:
    """What decides a deploy besides the release.

    ``variables`` are the names of those that the definition uses. ``services`` has for each
    service all that is said of it, the values of variables and secrets included: it is for
    hashing, and never shown or kept.
    """

    variables: tuple[str, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict, repr=False)


UNTOUCHED = "what ran before the promotion still runs"
"""What a person needs to know first where the pre-deploy command failed."""


StillOurs = Callable[[], None]
"""Raises where the environment is not ours to change any more."""


def unheard(_: str) -> None:
    """Nobody is told."""


def always_ours() -> None:
    """Nobody else can take the environment over."""


class Observer(Protocol):
    """What sees the containers of an environment, and measures them against one release."""

    @property
    def deployment(self) -> Deployment:
        """The release, and where it runs."""
        ...

    def check(self) -> None:
        """See that what runs may be looked at; change nothing.

        Raises:
            UnavailableError, PreconditionError: it does not answer, or may not be looked at.
        """
        ...

    def running(self) -> list[Running]:
        """Return every container of the release's services, with those that are missing.

        Raises:
            UnavailableError: nobody answers.
        """
        ...


class Engine(Observer, Protocol):
    """What runs the containers of an environment, bound to one deployment."""

    @property
    def bundle(self) -> str:
        """The deployment's files as one self-contained text, images as variables.

        Raises:
            UsageError: they refer to something that cannot travel with a release.
        """
        ...

    def render(self) -> str:
        """Return the bundle with the images filled in by digest, and nothing else.

        Raises:
            UsageError: the bundle has no place for an image.
        """
        ...

    def resolved(self) -> Resolved:
        """Return what today's variables and secrets make of the definition."""
        ...

    def commands(self) -> list[str]:
        """Return the command lines that a deploy runs, without touching the engine."""
        ...

    def check(self) -> None:
        """See that the engine answers and can run the deployment; change nothing.

        Raises:
            UnavailableError: the engine does not answer.
            UsageError: the definition cannot be used, or a variable is missing.
        """
        ...

    @property
    def pulls(self) -> bool:
        """Whether there is something to pull before a deploy; some engines' nodes do it then."""
        ...

    def pull(self) -> None:
        """See that the engine has every image, and pull what it lacks.

        Raises:
            UnavailableError, IntegrityError: an image cannot be pulled.
        """
        ...

    def run_once(
        self, service: str, command: Sequence[str], progress: Callable[[str], None] = unheard
    ) -> None:
        """Run a command in a new container of a service, with the new release's bytes.

        ``progress`` is told what it waits for.

        Raises:
            DeployError: it failed, or took too long. What ran before still runs.
        """
        ...

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        """Make the target run the release; what stays the same keeps its containers.

        ``still_ours`` is called between looks. Where it raises, what was begun is stopped.

        Raises:
            DeployError: it did not come up in time. Nothing has been put back.
            UnavailableError: the engine stopped answering.
        """
        ...

    def running(self) -> list[Running]:
        """Return every container of the project, with those that are missing.

        Raises:
            UnavailableError: the engine does not answer.
        """
        ...
