"""The sections of the page about what runs, what happened, what is next and what was checked."""

from __future__ import annotations

from collections.abc import Sequence

from buildonce.refs import short
from buildonce.report.html.markup import Markup, element, join
from buildonce.report.html.model import Commit, Deployment, Environment, Pending, Report
from buildonce.report.html.tables import (
    badge,
    details,
    digest,
    human,
    long,
    newest,
    paragraph,
    section,
    table,
)
from buildonce.report.html.words import checks, commits, duration, listed, moment, person, subject
from buildonce.verify.evidence import Evidence

_OUTCOMES = {
    "done": ("good", "✓"),
    "failed": ("bad", "✗"),
    "broken": ("bad", "✗"),
    "aborted": ("warn", "↩"),
}
_OPEN = ("warn", "…")


def environments(report: Report) -> Markup:
    """Show what each environment runs, and whether each service is in sync with the ledger."""
    cards = element("div", *(_card(report, one) for one in report.environments), class_="cards")
    services = sorted({service for one in report.environments for service in one.digests})
    rows = [
        [service, *(_cell(report, environment, service) for environment in report.environments)]
        for service in services
    ]
    columns = ["service", *(one.name for one in report.environments)]
    matrix = [table("Services by environment", columns, rows)] if rows else []
    return section("environments", "Environments", cards, *matrix)


def timeline(report: Report) -> Markup:
    """Show every promotion and rollback, the newest first."""
    parts = [_history(one.name, report.of(one.name)[::-1]) for one in report.environments]
    return section("timeline", "Promotions and rollbacks", *parts)


def pending(report: Report) -> Markup:
    """Show what the next promotion to each environment would ship, and who wrote it."""
    return section("next", "What would ship next", *(_next(one) for one in report.pending))


def evidence(report: Report) -> Markup:
    """Show what was verified when the page was made."""
    if report.unverified:
        return section("evidence", "Evidence", paragraph(f"Not verified: {report.unverified}"))
    failed = [row for row in report.evidence if not row.holds]
    unknown = [row for row in report.evidence if not row.checked]
    verdict = (
        badge("bad", "✗", f"{checks(len(failed))} not hold, of {len(report.evidence)}")
        if failed
        else badge("good", "✓", f"all {len(report.evidence) - len(unknown)} checks hold")
    )
    head = paragraph(verdict, " as of ", moment(report.made_at), ".")
    shown = [_evidence("Checks that do not hold", failed)] if failed else []
    shown += [_evidence("Not checked", unknown)] if unknown else []
    every = details("Every check", _evidence("Checks", report.evidence))
    return section("evidence", "Evidence", head, *shown, every, _images(report))


def _card(report: Report, one: Environment) -> Markup:
    title = element("h3", one.name)
    if not one.release:
        return element("article", title, paragraph("Nothing was promoted here yet."), class_="card")
    age = (
        join(
            "Deployed ", duration(report.made_at - one.deployed_at), " ago, ",
            moment(one.deployed_at),
        )
        if one.deployed_at
        else "It is not known when it was deployed."
    )  # fmt: skip
    return element(
        "article", title, paragraph(_verdict(report, one), _remark(one)),
        paragraph(element("code", one.release), " ", subject(one.subject)),
        paragraph(f"Written by {one.author}. " if one.author else "", age),
        class_="card",
    )  # fmt: skip


def _remark(one: Environment) -> str:
    return "" if one.locked or one.state == "done" else f" {one.state}"


def _verdict(report: Report, one: Environment) -> Markup:
    if one.locked:
        return badge("warn", "!", f"locked: {one.state}")
    if report.unverified:
        return badge("warn", "?", "not verified")
    wrong = [row for row in report.evidence if row.environment == one.name and not row.holds]
    if wrong:
        return badge("bad", "✗", f"not in sync: {checks(len(wrong))} not hold")
    return badge("good", "✓", "in sync")


def _cell(report: Report, environment: Environment, service: str) -> Markup:
    value = environment.digests.get(service)
    if value is None:
        return element("span", "none", class_="quiet")
    shown = element("code", short(value))
    if report.unverified:
        return shown
    problems = report.problems(environment.name, service)
    if problems:
        return join(shown, " ", badge("bad", "✗", ", ".join(row.check for row in problems)))
    return element("span", shown, " ", badge("good", "✓", "in sync"), class_="brief")


def _history(environment: str, newest_first: Sequence[Deployment]) -> Markup:
    if not newest_first:
        return join(element("h3", environment), paragraph("Nothing yet."))
    columns = ["#", "when", "what", "release", "outcome", "took", "by", "why"]
    rows = [_event(one) for one in newest_first]
    return join(element("h3", environment), newest(f"History of {environment}", columns, rows))


def _event(one: Deployment) -> list[str]:
    kind, sign = _OUTCOMES.get(one.outcome, _OPEN)
    before = f"{one.previous} → " if one.previous else ""
    return [
        str(one.sequence), moment(one.started_at), one.kind,
        element("span", before, element("strong", one.release), class_="release"),
        badge(kind, sign, one.outcome),
        element("span", duration(one.took), class_="brief") if one.took is not None else "",
        human(person(one.actor)),
        long(": ".join(filter(None, (one.reason, one.message)))),
    ]  # fmt: skip


def _next(one: Pending) -> Markup:
    title = element("h3", one.environment)
    if one.note:
        return join(title, paragraph(one.note))
    if not one.commits:
        return join(title, paragraph(f"Nothing: it runs {one.running} already."))
    people = sorted({commit.author for commit in one.commits})
    head = paragraph(
        element("code", one.running), " → ", element("code", one.candidate),
        f": {commits(len(one.commits))} by {', '.join(people)}.",
    )  # fmt: skip
    columns = ["commit", "subject", "author", "written", "services"]
    rows = [_commit(commit) for commit in one.commits]
    return join(title, head, newest(f"Commits that {one.environment} would get", columns, rows))


def _commit(one: Commit) -> list[str]:
    takes_back = "" if one.direction == "ships" else f" ({one.direction})"
    services = listed(one.services) or "none"
    return [
        element("code", one.revision[:12]), long(f"{subject(one.subject)}{takes_back}"),
        human(one.author),        moment(one.at), long(services),
    ]  # fmt: skip


def _evidence(caption: str, rows: Sequence[Evidence]) -> Markup:
    columns = ["verdict", "environment", "service", "check", "where", "expected", "found"]
    return table(caption, columns, [_row(row) for row in rows])


def _row(row: Evidence) -> list[str]:
    if not row.checked:
        verdict = badge("plain", "•", "not checked")
    else:
        verdict = badge("good", "✓", "holds") if row.holds else badge("bad", "✗", "differs")
    return [
        verdict, row.environment, row.service, row.check, long(row.where),
        digest(row.expected), digest(row.found),
    ]  # fmt: skip


def _images(report: Report) -> Markup:
    rows = [
        [environment.name, service, digest(value)]
        for environment in report.environments
        for service, value in sorted(environment.digests.items())
    ]
    return newest("Digests", ["environment", "service", "digest"], rows) if rows else join()
