"""What a command is going to do, as data. Pure: no file, no process, no clock.

An observation of the world goes in, a plan comes out. The dry run prints the very steps that
the real run walks. Containers change first and pointers after them: a pointer names what the
environment runs, and what fails to deploy has moved none.
"""

from __future__ import annotations

from dataclasses import dataclass

from buildonce.engines.base import Engine
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.release import Release
from buildonce.plan.observation import Observation
from buildonce.plan.pointers import Pointers, moves
from buildonce.plan.steps import (
    ClosePromotion,
    Confirm,
    CopyImages,
    Deploy,
    LookAgain,
    OpenPromotion,
    PreDeploy,
    Prepare,
    Step,
    TakeOver,
)


@dataclass(frozen=True)
class WayBack:
    """What puts an environment back where its promotion fails.

    ``release`` is what the promotion tried to bring, ``previous`` what ran before. ``engine``
    is bound to ``previous``, None where that was never deployed; ``deploys`` tells whether the
    environment runs containers at all, and ``points`` whether it has pointers.
    """

    release: Release
    previous: Release | None
    engine: Engine | None
    deploys: bool
    points: bool = True

    def steps(
        self, promotion: Promotion, pointers: Pointers | None, *, redeploy: bool, message: str
    ) -> tuple[Step, ...]:
        """Return the steps back.

        Args:
            promotion: what failed.
            pointers: what the pointers name now; None where there are none, or the registry
                does not answer.
            redeploy: whether containers may have been changed.
            message: why it failed, for the record.
        """
        engine = self.engine if redeploy else None
        return (
            *_deploy(engine),
            *moves(
                promotion.environment,
                self.previous,
                self.release,
                pointers,
                may_wait=self.deploys,
            ),
            ClosePromotion(promotion, "failed", message),
        )


@dataclass(frozen=True)
class Plan:
    """The steps of one command, in order. Without steps, ``summary`` says why.

    ``way_back`` is what a promotion that fails is put back by; without one, it stays open.
    """

    summary: str
    steps: tuple[Step, ...] = ()
    way_back: WayBack | None = None


def plan_promotion(seen: Observation, promotion: Promotion) -> Plan:
    """Plan what makes an environment run a release; a rollback is planned no differently."""
    return Plan(
        f"{promotion.kind} of {seen.name} to {seen.release.sha}",
        (
            *_open(seen, promotion),
            *_arrive(seen, promotion),
            ClosePromotion(promotion, "done"),
        ),
        _way_back(seen),
    )


def plan_resume(seen: Observation, former: Promotion, mine: Promotion) -> Plan:
    """Plan how an open promotion is finished, whatever of it has been done already."""
    return Plan(
        f"resume {former.title}",
        (
            *_copy(seen),
            *_prepare(seen.engine),
            TakeOver(former, mine),
            *_arrive(seen, mine),
            ClosePromotion(mine, "done"),
        ),
        _way_back(seen),
    )


def plan_abort(seen: Observation, former: Promotion, mine: Promotion, reason: str) -> Plan:
    """Plan how an open promotion is undone: the release before it is put back."""
    return Plan(
        f"abort {former.title}",
        (
            TakeOver(former, mine),
            *_deploy(seen.way_back),
            *moves(
                seen.name,
                seen.previous,
                seen.release,
                seen.pointers,
                may_wait=seen.engine is not None,
            ),
            ClosePromotion(mine, "aborted", reason),
            *((LookAgain(seen.way_back),) if seen.way_back else ()),
        ),
    )


def _arrive(seen: Observation, promotion: Promotion) -> tuple[Step, ...]:
    return (
        *_pre_deploy(seen, promotion),
        *_deploy(seen.engine),
        *moves(
            seen.name,
            seen.release,
            seen.previous,
            seen.pointers,
            may_wait=seen.engine is not None and promotion.kind == "rollback",
        ),
    )


def _open(seen: Observation, promotion: Promotion) -> tuple[Step, ...]:
    """Return what comes before anything is touched.

    Images are pulled before the intent is written, so that the environment is locked for a short
    time. A copy may take long and be cut off: with the intent before it, ``resume`` finishes it.
    """
    intent, prepare = OpenPromotion(promotion), _prepare(seen.engine)
    if seen.copies:
        return (intent, *_copy(seen), *prepare)
    return (*prepare, intent)


def _copy(seen: Observation) -> tuple[Step, ...]:
    return (CopyImages(seen.name, seen.copies),) if seen.copies else ()


def _prepare(engine: Engine | None) -> tuple[Step, ...]:
    return (Prepare(engine),) if engine and engine.pulls else ()


def _pre_deploy(seen: Observation, promotion: Promotion) -> tuple[Step, ...]:
    """Return the pre-deploy command: it leads to a release, and has no place on the way back."""
    command = seen.settings.pre_deploy
    if not (seen.engine and command) or promotion.kind == "rollback" or seen.is_current:
        return ()
    return (PreDeploy(seen.engine, command.service, command.command),)


def _deploy(engine: Engine | None) -> tuple[Step, ...]:
    return (Deploy(engine), Confirm(engine)) if engine else ()


def _way_back(seen: Observation) -> WayBack:
    return WayBack(
        seen.release,
        seen.previous,
        seen.way_back,
        deploys=seen.engine is not None,
        points=seen.settings.pointers,
    )
