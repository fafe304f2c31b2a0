"""What is played, as data: what a scene tells, what is typed in it, how each command must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType

EVERYTHING = r""
NOT_THE_BUILD_LOG = r"^[^\s•]"
RESULTS = r"^[^✓•]"
EVIDENCE = r"^ +environment| pointer | container | same as |^all "
ROLLED_BACK = 7
DIFFERENCE = 9


@dataclass(frozen=True)
class Command:
    """A command line as one would type it.

    It must end with the exit code `ends`, and its output must contain `says`; of the output
    the lines that match the pattern `keep` are shown.
    """

    line: str
    keep: str = EVERYTHING
    ends: int = 0
    says: str = ""


@dataclass(frozen=True)
class Edit:
    """A change to a file of the scratch clone: the one occurrence of `before` becomes `after`."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Ask:
    """A request to the api as it runs: the lines of the answer that match `keep` are shown.

    The answer must contain `says`.
    """

    url: str
    keep: str
    says: str


@dataclass(frozen=True)
class Show:
    """Something to look at that no single command prints."""

    picture: Callable[[], RenderableType]


@dataclass(frozen=True)
class Scene:
    """A heading, what there is to know, and what happens."""

    title: str
    telling: str
    acts: tuple[Command | Edit | Ask | Show, ...]


@dataclass(frozen=True)
class Stage:
    """Where it is played: the first commit, the registry, and each environment's api."""

    first: str
    registry: str
    staging: str
    production: str
    project: str
    layers: Callable[[], RenderableType]


def scenes(stage: Stage) -> list[Scene]:
    """Return the whole play."""
    return [
        _one_build(stage),
        _staging_then_production(stage),
        _proof(),
        _one_line_changes(stage),
        _a_bad_release(stage),
        _tampering(stage),
        _put_right(),
    ]


def _one_build(stage: Stage) -> Scene:
    return Scene(
        "One build",
        f"Both services of commit {stage.first}, built from the commit's own tree, pushed once, "
        "their digests written into the ledger.",
        (Command("inv build --sha", keep=NOT_THE_BUILD_LOG),),
    )


def _staging_then_production(stage: Stage) -> Scene:
    return Scene(
        "Staging, then production",
        "Promotion moves pointers to those very bytes and has containers run them by digest. "
        "Nothing is rebuilt.",
        (
            Command("inv promote staging", keep=RESULTS),
            Command("inv promote production", keep=RESULTS),
            Ask(f"{stage.production}/", keep="<h1>", says="<h1>Beacon</h1>"),
            Ask(f"{stage.production}/version", keep="revision", says=stage.first),
        ),
    )


def _proof() -> Scene:
    return Scene(
        "Proof",
        "Every manifest is fetched and hashed again, every running container is asked for its "
        "bytes, and all of it is compared with the ledger's record.",
        (Command("inv verify", keep=EVIDENCE), Command("inv build --sha")),
    )


def _one_line_changes(stage: Stage) -> Scene:
    return Scene(
        "One line changes",
        "A new heading for the api's page goes the same way. Nothing of the worker changed: its "
        "image is reused, digest and all.",
        (
            Edit("api/src/beacon_api/page.py", "<h1>Beacon</h1>", "<h1>Beacon is watching</h1>"),
            Command('git commit --quiet --all --message "Say what Beacon does"'),
            Command("git push --quiet"),
            Command("inv build --sha", keep=NOT_THE_BUILD_LOG, says="unchanged: worker"),
            Show(stage.layers),
            Command("inv promote staging", keep=RESULTS),
            Command("inv changes production"),
            Command("inv promote production", keep=RESULTS),
            Ask(f"{stage.production}/", keep="<h1>", says="<h1>Beacon is watching</h1>"),
            Command("inv status"),
        ),
    )


def _a_bad_release(stage: Stage) -> Scene:
    return Scene(
        "A release that does not come up",
        "The api of the next commit cannot start. Staging goes back by itself; production was "
        "never in danger.",
        (
            Edit("api/src/beacon_api/app.py", "import logging", "import logging, nowhere"),
            Command('git commit --quiet --all --message "Import what is not there"'),
            Command("git push --quiet"),
            Command("inv build --sha", keep=NOT_THE_BUILD_LOG),
            Command("inv promote staging", keep=r"Error|^•|^✗|again|→", ends=ROLLED_BACK),
            Ask(f"{stage.staging}/", keep="<h1>", says="<h1>Beacon is watching</h1>"),
            Command("inv history staging"),
        ),
    )


def _tampering(stage: Stage) -> Scene:
    repository = f"{stage.registry}/beacon/api"
    return Scene(
        "Tampering",
        "Somebody points :production back at the first build by hand and stops a container, "
        "behind the pipeline's back. The tag looks right; its bytes are not what the ledger says.",
        (
            Command(
                f"docker buildx imagetools create --tag {repository}:production "
                f"{repository}:{stage.first}",
                keep=r"pushing",
            ),
            Command(f"docker stop -t 2 {stage.project}-worker-1"),
            Command(
                "inv verify", keep=r"^✗ \d|: expected |→", ends=DIFFERENCE,
                says=f"{repository}:production",
            ),
        ),
    )  # fmt: skip


def _put_right() -> Scene:
    return Scene(
        "Put right",
        "The ledger is the truth: promoting again makes pointers and containers follow it.",
        (
            Command("inv promote production", keep=RESULTS),
            Command("inv verify", keep=EVIDENCE),
        ),
    )
