"""The rules of an environment: pure functions of the configuration, the ledger and a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from buildonce.config import Environment, Freeze
from buildonce.config.fields import DATE, is_weekly
from buildonce.durations import format_duration
from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.records.environment import RunRecord

Rule = Literal["order", "soak", "freeze", "branches", "forward", "repository"]
RULES: tuple[str, ...] = get_args(Rule)

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Violation:
    """A rule that a promotion would break, how, and the command that helps, if one does."""

    rule: Rule
    message: str
    remedy: str = ""


def violations(
    environment: Environment,
    sha: str,
    ran_before: RunRecord | None,
    on_branches: bool | None,
    now: datetime,
    remote: str = "origin",
) -> list[Violation]:
    """Return the rules that promoting a release now would break.

    Args:
        environment: the environment's configuration.
        sha: the release.
        ran_before: when the environment before ran the release; None: it never did.
        on_branches: whether an allowed branch contains the commit; None: it cannot be told.
        now: the time of the promotion, with a time zone.
        remote: the git remote whose branches count.
    """
    found = [
        _order(environment, sha, ran_before),
        _soak(environment, sha, ran_before, now),
        _branches(environment, sha, on_branches, remote),
        *(_freeze(window, now) for window in environment.freeze),
    ]
    return [violation for violation in found if violation is not None]


def going_back(environment: str, sha: str, running: str) -> Violation:
    """Return the violation of a promotion to a release from before the one that runs."""
    return Violation(
        "forward",
        f"{sha} is older than {running}, which {environment} runs",
        f"inv rollback {environment} --to {sha} goes back",
    )


def of_another_repository(environment: str, here: str, there: str, remote: str) -> Violation:
    """Return the violation of a promotion from a fork, or of a repository that moved."""
    return Violation(
        "repository",
        f"{environment} is promoted from {there}, and the git remote {remote} is {here}: each has "
        "a ledger of its own, and neither locks the other's",
        f'git remote add upstream {there}, and ledger_remote = "upstream" in [tool.buildonce]',
    )


def enforce(broken: Sequence[Violation], overrides: Sequence[str], reason: str) -> tuple[str, ...]:
    """Return the rules that are broken with leave.

    Raises:
        UsageError: an override is not a rule's name, or has no reason.
        PreconditionError: a rule is broken without leave.
    """
    for name in overrides:
        if name not in RULES:
            raise UsageError(f"there is no rule {name!r}", hint=f"rules: {', '.join(RULES)}")
    if overrides and not reason:
        raise UsageError("--override needs --reason TEXT: it is recorded")
    refused = [violation for violation in broken if violation.rule not in overrides]
    if refused:
        leave = " ".join(f"--override {violation.rule}" for violation in refused)
        remedies = [violation.remedy for violation in refused if violation.remedy]
        raise PreconditionError(
            "; ".join(violation.message for violation in refused),
            hint="; ".join([*remedies, f"to promote it anyway: {leave} --reason TEXT"]),
        )
    return tuple(dict.fromkeys(violation.rule for violation in broken))


def _order(environment: Environment, sha: str, ran_before: RunRecord | None) -> Violation | None:
    if ran_before is not None and ran_before.blocked:
        return Violation(
            "order", f"{environment.after} was rolled back from {sha}: {ran_before.blocked}"
        )
    if environment.after is None or ran_before is not None:
        return None
    return Violation(
        "order", f"{environment.after} has never run {sha}",
        f"inv promote {environment.after} --sha {sha}",
    )  # fmt: skip


def _soak(
    environment: Environment, sha: str, ran_before: RunRecord | None, now: datetime
) -> Violation | None:
    if environment.soak is None or ran_before is None:
        return None
    ran = (ran_before.until or now) - ran_before.since
    if ran >= environment.soak:
        return None
    return Violation(
        "soak",
        f"{sha} has run in {environment.after} for {format_duration(ran)}; "
        f"{format_duration(environment.soak)} are required",
    )


def _branches(
    environment: Environment, sha: str, on_branches: bool | None, remote: str
) -> Violation | None:
    if not environment.branches or on_branches:
        return None
    allowed, branch = " or ".join(environment.branches), environment.branches[0]
    if on_branches is None:
        return Violation(
            "branches", f"this clone lacks the history to tell whether {sha} is on {allowed}",
            f"git fetch {remote} +refs/heads/{branch}:refs/remotes/{remote}/{branch}",
        )  # fmt: skip
    return Violation("branches", f"{sha} is not on {allowed}")


def _freeze(window: Freeze, now: datetime) -> Violation | None:
    local = now.astimezone(ZoneInfo(window.timezone))
    if is_weekly(window.start):
        present = timedelta(days=local.weekday(), hours=local.hour, minutes=local.minute)
        start, end = _of_week(window.start), _of_week(window.end)
        frozen = start <= present < end if start < end else present >= start or present < end
    else:
        frozen = _of_date(window.start) <= local.replace(tzinfo=None) < _of_date(window.end)
    if not frozen:
        return None
    return Violation(
        "freeze",
        f"promotions are frozen from {window.start} until {window.end} ({window.timezone})",
    )


def _of_date(moment: str) -> datetime:
    return datetime.strptime(moment, DATE)


def _of_week(moment: str) -> timedelta:
    day, clock = moment.split()
    hour, minute = clock.split(":")
    return timedelta(days=_WEEKDAYS.index(day.lower()), hours=int(hour), minutes=int(minute))
