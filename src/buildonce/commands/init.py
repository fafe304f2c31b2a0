"""``inv init``: proposes how a repository is released, and writes that where it is wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from buildonce.adopt.proposal import Proposal, propose
from buildonce.adopt.survey import survey
from buildonce.errors import UnavailableError
from buildonce.git.repository import Git
from buildonce.report.terminal import Reporter


def init(root: Path, *, yes: bool, report: Reporter, ask: Callable[[str], str] = input) -> None:
    """Show what was found and what would be written; write it with ``yes``, or when told so.

    A file that is there is never replaced: ``pyproject.toml`` grows by one table.

    Raises:
        PreconditionError: this is no git repository, it has no Dockerfile, or is set up already.
        UnavailableError: a file cannot be written.
    """
    proposal = propose(survey(Git(root)))
    _show(proposal, report)
    if not (yes or _agreed(ask)):
        report.say("nothing was written; to write it: buildonce init --yes")
        return
    for path, content in proposal.files.items():
        _write(root / path, content, grows=path in proposal.added_to)
        report.say(f"{'added to' if path in proposal.added_to else 'wrote'} {path}")
    report.say("next: commit these files, then: inv doctor, and inv build --sha --dry-run")


def _show(proposal: Proposal, report: Reporter) -> None:
    report.table(
        ["service", "Dockerfile", "context", "found in"],
        [
            [service.name, service.dockerfile, service.context, service.why]
            for service in proposal.services
        ],
    )
    for path, content in proposal.files.items():
        report.say(f"\n{path}{' (added at its end)' if path in proposal.added_to else ''}:\n")
        report.say("\n".join(f"    {line}".rstrip() for line in content.splitlines()))
    report.say("\nleft to decide:")
    for number, decision in enumerate(proposal.decisions, 1):
        report.say(f"  {number}. {decision}")


def _agreed(ask: Callable[[str], str]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return ask("\nwrite these files? [y/N] ").strip().lower() in ("y", "yes")


def _write(path: Path, content: str, *, grows: bool) -> None:
    try:
        with path.open("a" if grows else "x", encoding="utf-8", newline="\n") as file:
            file.write(f"\n\n{content}" if grows else content)
    except FileExistsError:
        raise UnavailableError(f"{path} appeared meanwhile", hint="run the command again") from None
