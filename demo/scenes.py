"""What is played, as data: what a scene tells, what is typed in it, how each command must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType

EVERYTHING = r""
NOT_THE_BUILD_LOG = r"^[^\s•]"
RESULTS = r"^[^✓•]"
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
class Show:
    """Something to look at that no single command prints."""

    picture: Callable[[], RenderableType]


@dataclass(frozen=True)
class Scene:
    """A heading, what there is to know, and what happens."""

    title: str
    telling: str
    acts: tuple[Command | Edit | Show, ...]


def scenes(first: str, registry: str, layers: Callable[[], RenderableType]) -> list[Scene]:
    """Return the whole play, from the commit `first`; `layers` compares the newest two builds."""
    production = f"{registry}/beacon/api:production"
    evidence = r"^ +environment| pointer | same as |^all "
    return [
        Scene(
            "One build",
            f"Both services of commit {first}, built from the commit's own tree, pushed once, "
            "their digests written into the ledger.",
            (Command("inv build --sha", keep=NOT_THE_BUILD_LOG),),
        ),
        Scene(
            "Staging, then production",
            "Promotion moves pointers to those very bytes. Nothing is rebuilt.",
            (
                Command("inv promote staging", keep=RESULTS),
                Command("inv promote production", keep=RESULTS),
            ),
        ),
        Scene(
            "Proof",
            "Every manifest is fetched and hashed again, and compared with the ledger's record "
            "and with the other environment.",
            (Command("inv verify", keep=evidence), Command("inv build --sha")),
        ),
        Scene(
            "One line changes",
            "A new heading for the api's page goes the same way. What did not change is reused.",
            (
                Edit(
                    "api/src/beacon_api/page.py", "<h1>Beacon</h1>", "<h1>Beacon is watching</h1>"
                ),
                Command('git commit --quiet --all --message "Say what Beacon does"'),
                Command("git push --quiet"),
                Command("inv build --sha", keep=NOT_THE_BUILD_LOG),
                Show(layers),
                Command("inv promote staging", keep=RESULTS),
                Command("inv promote production", keep=RESULTS),
                Command("inv status"),
            ),
        ),
        Scene(
            "Tampering",
            "Somebody points :production back at the first build by hand, behind the pipeline's "
            "back. The tag looks right; its bytes are not what the ledger says.",
            (
                Command(
                    f"docker buildx imagetools create --tag {production} "
                    f"{registry}/beacon/api:{first}",
                    keep=r"pushing",
                ),
                Command(
                    "inv verify", keep=r"^✗ \d|expected sha256|→", ends=DIFFERENCE, says=production
                ),
            ),
        ),
        Scene(
            "Put right",
            "The ledger is the truth: promoting again makes the pointer follow it.",
            (Command("inv promote production", keep=RESULTS), Command("inv verify", keep=evidence)),
        ),
    ]
