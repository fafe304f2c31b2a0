"""``inv doctor``: what a release needs, looked at before anything is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from buildonce.app import App
from buildonce.doctor import access, deployments, images, machine, sources
from buildonce.doctor.findings import Examination, Finding
from buildonce.errors import BuildonceError, PreconditionError
from buildonce.parallel import run_all

_MARKS = {"warning": "!", "problem": "✗"}
_NOTHING = "no command works"
_NO_BUILD = "nothing can be built"

_EXAMINATIONS = (
    Examination("configuration", _NOTHING, access.configuration),
    Examination("git", _NO_BUILD, access.commit),
    Examination("clone", _NO_BUILD, access.clone),
    Examination("ledger", "nothing can be recorded, so nothing is promoted", access.ledger),
    Examination("registry", "no image can be pushed", access.registry),
    Examination("sources", _NO_BUILD, sources.services),
    Examination("images", _NO_BUILD, images.examine),
    Examination("engine", _NO_BUILD, machine.engine),
    Examination("Buildx", _NO_BUILD, machine.buildx),
    Examination("builder", _NO_BUILD, machine.cache_export),
)


def examine(app: App, *, as_json: bool = False) -> None:
    """Look at everything a release needs; print what is wrong, what it costs, and its remedy.

    Raises:
        PreconditionError: there is a problem, for which a command would fail.
    """
    examinations = (*_EXAMINATIONS, *_compose(app), *deployments.examinations(app))
    results = run_all(lambda examination: examination.run(app), examinations)
    found = _distinct(finding for findings in results for finding in findings)
    if as_json:
        app.report.json([finding.as_dict() for finding in found])
    else:
        _show(app, found)
    problems = Counter(finding.subject for finding in found if finding.level == "problem")
    if problems:
        raise PreconditionError(f"problems found: {', '.join(problems)}")


def _compose(app: App) -> Sequence[Examination]:
    """Return what is looked at where an environment has a Compose or stack file."""
    try:
        engines = {environment.engine for environment in app.project.environments.values()}
    except BuildonceError:
        return ()
    if not engines & {"compose", "swarm"}:
        return ()
    return (Examination("Compose", "nothing can be deployed", machine.compose),)


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without problems that repeat: one cause may stop several looks."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        remedy = finding.remedy or finding.subject
        kept.setdefault((finding.found, remedy), finding)
    return list(kept.values())


def _show(app: App, findings: Sequence[Finding]) -> None:
    in_order = [finding for finding in findings if finding.level == "ok"]
    app.report.table(["", "what", "found"], [["✓", one.subject, one.found] for one in in_order])
    for finding in findings:
        if finding.level != "ok":
            app.report.say(f"\n{_MARKS[finding.level]} {finding.subject}: {finding.found}")
            app.report.say(f"  impact: {finding.cost}")
            app.report.say(f"  → {finding.remedy}")
