"""A report with something in each of its sections, hostile texts included."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from buildonce.report.html.model import Commit, Deployment, Environment, Pending, Report, Size
from buildonce.verify.evidence import Evidence
from tests.kit.samples import digest

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\" onload=\"x"
SERVICES = ("api", "web", "worker")


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


def deployment(sequence: int, ago: float, **changed: object) -> Deployment:
    """A promotion to production that took four minutes, of a commit written five hours before."""
    plain: dict[str, object] = {
        "environment": "production",
        "sequence": sequence,
        "kind": "promotion",
        "release": f"{sequence:012x}",
        "previous": f"{sequence - 1:012x}",
        "actor": "Dana Developer <dana@example.org>",
        "reason": "",
        "message": "",
        "started_at": days(ago),
        "took": timedelta(minutes=4),
        "outcome": "done",
        "commits": (days(ago) - timedelta(hours=5),),
    }
    return Deployment(**{**plain, **changed})  # type: ignore[arg-type]


def history() -> tuple[Deployment, ...]:
    """Two months: mostly good, one put back, one rolled back from."""
    return (
        deployment(1, 60),
        deployment(2, 52),
        deployment(3, 45, outcome="failed", message="api is unhealthy", took=timedelta(minutes=6)),
        deployment(4, 44),
        deployment(5, 30, commits=(days(33), days(31))),
        deployment(6, 29.9, kind="rollback", reason=f"orders fail {HOSTILE}", commits=()),
        deployment(7, 12),
        deployment(8, 2, commits=(days(2.5), days(4))),
    )


def report(**changed: object) -> Report:
    """Two environments; production has one service whose pointer differs."""
    old, new = digest("old"), digest("new")
    digests = dict.fromkeys(SERVICES, new)
    production = {**digests, "web": old}
    rows = [
        Evidence(environment, service, "bytes", f"ghcr.io/acme/{service}", value, value)
        for environment, found in (("staging", digests), ("production", production))
        for service, value in found.items()
    ]
    rows.append(Evidence("production", "web", "pointer", "ghcr.io/acme/web:production", old, new))
    plain: dict[str, object] = {
        "title": "acme/shop",
        "made_at": NOW,
        "environments": (
            Environment(
                "staging", "done", "aaaaaaaaaaaa", HOSTILE, HOSTILE, days(0.1), digests, last=False
            ),
            Environment(
                "production", "done", "000000000008", "Add gift cards", "Ada", days(2), production
            ),
        ),
        "deployments": (
            deployment(1, 0.1, environment="staging", release="aaaaaaaaaaaa", previous=""),
            *history(),
        ),
        "pending": (
            Pending("staging", "aaaaaaaaaaaa", "aaaaaaaaaaaa"),
            Pending(
                "production", "000000000008", "aaaaaaaaaaaa",
                (
                    Commit("a" * 40, HOSTILE, HOSTILE, days(1), ("api", "web")),
                    Commit("b" * 40, "Speed up the search", "Dana Developer", days(1.5), ()),
                ),
            ),
        ),
        "evidence": tuple(rows),
        "sizes": tuple(
            Size(f"{number:012x}", days(60 - 8 * number), service, 40_000_000 + weight * number)
            for number in range(1, 9)
            for service, weight in zip(SERVICES, (900_000, -600_000, 2_100_000), strict=True)
        ),
    }  # fmt: skip
    return Report(**{**plain, **changed})  # type: ignore[arg-type]


LONG = "A" * 300
REVERSED = "Fix \u202egnp.exe \x1b[31m"
MANY = tuple(f"{team}-{part}-delivery-retry-service" for team in "abcde" for part in "uvwxyz")


def fleet() -> Report:
    """Thirty services with long names, four environments, one of them locked, long histories."""
    environments = ("development", "staging", "canary-europe-west", "production")
    subjects = (LONG, REVERSED, HOSTILE, "")
    author = "Maximiliane von Hohenberg-Schoenstein-Wartenburg"
    commits = tuple(
        Commit(f"{number:040x}", subjects[number % 4], author, days(number / 3), MANY)
        for number in range(25)
    )
    failed = {"outcome": "failed", "message": f"{MANY[0]} is unhealthy: {LONG}", "commits": ()}
    return report(
        title="gitlab.internal.example.org/platform-engineering/monorepo",
        environments=tuple(
            Environment(
                name, "promotion 26 is open", f"{number:012x}", subjects[number], author, days(2),
                {service: digest(f"{service}{number}") for service in MANY},
                last=name == "production", locked=name == "production",
            )
            for number, name in enumerate(environments)
        ),
        deployments=tuple(
            deployment(
                number, 60 - 2 * number, environment=name, actor=f"{author} <m@example.org>",
                **(failed if number % 5 == 0 else {"reason": subjects[number % 4]}),
            )
            for name in environments
            for number in range(1, 27)
        ),
        pending=tuple(Pending(name, "a" * 12, "b" * 12, commits) for name in environments),
        sizes=tuple(
            Size(f"{number:012x}", days(20 - number), service, 10_000_000 * (number + 1))
            for number in range(10)
            for service in MANY
        ),
    )  # fmt: skip
