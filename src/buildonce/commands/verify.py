"""``inv verify``: the proof that environments run what was built, and the same."""

from __future__ import annotations

import os
from collections.abc import Sequence

from buildonce import ci
from buildonce.app import App
from buildonce.errors import DifferenceError, PreconditionError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.snapshot import Snapshot
from buildonce.report.markdown import evidence_markdown
from buildonce.report.terminal import evidence_json
from buildonce.verify.compare import OTHERS, compare
from buildonce.verify.deployed import PLACE
from buildonce.verify.evidence import Evidence
from buildonce.verify.gather import gather
from buildonce.verify.independent import reread

_NAMED = 20
"""How many differences the error names."""


def verify(
    app: App,
    environments: Sequence[str],
    *,
    each: bool,
    as_json: bool,
    details: bool = False,
    independent: bool = False,
) -> None:
    """Check environments against their records and, unless ``each``, against one another.

    What holds is shown in groups; with ``details``, every row is. With ``independent``, a second
    program reads every manifest as well.

    Raises:
        DifferenceError: a row of the evidence does not hold.
    """
    chosen = list(dict.fromkeys(environments)) or list(app.project.environments)
    for name in chosen:
        app.project.environment(name)
    if not chosen:
        raise PreconditionError(
            "there is no environment to verify", hint="add [tool.buildonce.environments.staging]"
        )
    snapshot = app.ledger.read()
    rows = gather(snapshot, chosen, app.registry, app.targets)
    if independent:
        from buildonce.build.imagetools import Imagetools

        rows += reread(snapshot, chosen, app.targets, Imagetools())
    rows += [] if each else compare(snapshot, chosen)
    ci.summarise(evidence_markdown(rows), os.environ)
    if as_json:
        app.report.json(evidence_json(rows))
    else:
        app.report.evidence(rows, details=details)
    checked = [row for row in rows if row.checked]
    differing = [row for row in checked if not row.holds]
    if differing:
        raise DifferenceError(
            f"{len(differing)} of {len(checked)} checks do not hold:\n  {_named(differing)}",
            hint=_remedy(snapshot, differing),
        )
    if not as_json:
        app.report.say(_proven(rows, chosen, each=each))


def _named(differing: Sequence[Evidence]) -> str:
    lines = [
        f"{row.environment} {row.service} {row.check} at {row.where}: "
        f"expected {row.expected}, found {row.found}"
        for row in differing[:_NAMED]
    ]
    if len(differing) > _NAMED:
        lines.append(f"and {len(differing) - _NAMED} more, in the table")
    return "\n  ".join(lines)


def _proven(rows: Sequence[Evidence], environments: Sequence[str], *, each: bool) -> str:
    """Return the closing sentence: what was checked, and no more than that."""
    unchecked = [row for row in rows if not row.checked]
    sentence = f"all {len(rows) - len(unchecked)} checks hold"
    if unchecked:
        sentence += f", {len(unchecked)} not checked"
    if each or len(environments) == 1:
        return sentence
    unseen = {row.environment for row in unchecked if row.check == "containers"}
    what = "the images of " if unseen else ""
    apart = any(row.check.startswith("same as") for row in unchecked)
    identical = "are identical in what all of them run" if apart else "are identical"
    others = ", ".join(dict.fromkeys(row.service for row in rows if row.check == OTHERS))
    but = f", but for third-party images ({others})" if others else ""
    return f"{sentence}; {what}{' and '.join(environments)} {identical}{but}"


def _remedy(snapshot: Snapshot, differing: Sequence[Evidence]) -> str:
    """Return the commands after which environments are what their records say."""
    if any(row.check == "containers" for row in differing):
        return "inv doctor, and see that the engine named above answers"
    moved = {row.environment: row for row in differing if row.check == PLACE}
    remedies = [*(row.remedy for row in differing), *map(_return_or_move, moved.values())]
    by_hand = list(dict.fromkeys(filter(None, remedies)))
    repairable = [row for row in differing if not row.remedy and not row.lasting]
    names = dict.fromkeys(row.environment for row in repairable if row.environment not in moved)
    if by_hand and not names:
        return "; ".join(by_hand)
    if not names:
        return _of_lasting(differing)
    commands = [*by_hand, *(_repair(snapshot.environment(name)) for name in names)]
    return f"to repair it without a build: {'; '.join(commands)}"


def _of_lasting(differing: Sequence[Evidence]) -> str:
    name = differing[0].environment
    if all(row.check.startswith("same as") for row in differing):
        return (
            f"if they are meant to differ: inv verify --each; who promoted it: inv history {name}"
        )
    return f"find out who changed the registry; other releases to promote: inv history {name}"


def _return_or_move(row: Evidence) -> str:
    name = row.environment
    move = f"inv promote {name} --redeploy"
    return f"use the checkout whose {name} is {row.expected}, or move it: {move}"


def _repair(record: EnvironmentRecord) -> str:
    name = record.environment
    if record.open is not None:
        return f"inv resume {name}, or {record.open.abort_command}"
    return f"inv promote {name} --sha {record.release}" if record.release else f"inv promote {name}"
