"""Steps as sentences: what a dry run, a plan file and the progress show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from buildonce.engines.base import Engine
from buildonce.plan.building import listed
from buildonce.plan.observation import Observation
from buildonce.plan.pointers import references
from buildonce.plan.steps import (
    MANY,
    Bake,
    CarryOver,
    ClosePromotion,
    Confirm,
    CopyImages,
    Deploy,
    ForgetReleases,
    Import,
    LoadImage,
    LookAgain,
    OpenPromotion,
    Point,
    PreDeploy,
    Prepare,
    PruneReleases,
    RecordLoaded,
    RecordRelease,
    RemoveTag,
    RetireEnvironment,
    Step,
    TakeOver,
    Unpoint,
)
from buildonce.refs import Digest, short


def describe(step: Step) -> str:
    """Return a step as a sentence."""
    match step:
        case Bake() | CarryOver() | Import() | RecordRelease():
            return _of_build(step)
        case CopyImages() | LoadImage() | RecordLoaded():
            return _of_transfer(step)
        case Prepare() | PreDeploy() | Deploy() | Confirm() | LookAgain():
            return _of_deploy(step)
        case Point() | Unpoint():
            return _of_pointer(step)
        case OpenPromotion() | TakeOver() | ClosePromotion():
            return _of_promotion(step)
        case PruneReleases() | RemoveTag() | ForgetReleases() | RetireEnvironment():
            return _of_prune(step)


def sentences(steps: Sequence[Step]) -> list[str]:
    """Return steps as sentences, one for many neighbours of a kind."""
    said: list[str] = []
    for _, group in groupby(steps, type):
        neighbours = list(group)
        if len(neighbours) > MANY:
            said.append(describe_together(neighbours))
        else:
            said += map(describe, neighbours)
    return said


def describe_together(steps: Sequence[Step]) -> str:
    """Return steps of a kind as one sentence."""
    first = steps[0]
    if len(steps) == 1:
        return describe(first)
    services = listed([step.service for step in steps if isinstance(step, Point | Unpoint)], most=3)
    match first:
        case Point():
            return f"move {len(steps)} pointers of {first.tag.reference}: {services}"
        case Unpoint():
            return f"remove {len(steps)} pointers of {first.tag.reference}: {services}"
        case _:
            return f"{describe(first)}, and {len(steps) - 1} similar steps"


def _of_build(step: Bake | CarryOver | Import | RecordRelease) -> str:
    match step:
        case Bake():
            tag = next(iter(step.targets.values())).tag.reference
            return f"build {listed(step.targets)} once from {tag} and push"
        case CarryOver():
            tag = next(iter(step.images.values())).tag.reference
            return f"reuse {listed(step.images)}, unchanged, as {tag}"
        case Import():
            tag = next(iter(step.images.values())).tag.reference
            return f"import {listed(step.images)}, built elsewhere, as {tag}"
        case RecordRelease():
            return f"record release {step.sha} ({listed(step.services)}) in the ledger"


def _of_transfer(step: CopyImages | LoadImage | RecordLoaded) -> str:
    match step:
        case CopyImages():
            return _of_copy(step)
        case LoadImage():
            return f"upload {step.service} as {step.tag}, as far as it is missing there"
        case RecordLoaded():
            services = listed(step.release.services)
            return f"record release {step.release.sha} ({services}) in the ledger"


def _of_copy(step: CopyImages) -> str:
    missing = [copy.service for copy in step.copies if not copy.there]
    there = len(step.copies) - len(missing)
    registries = sorted({copy.tag.repository.registry for copy in step.copies})
    where = f"{', '.join(registries)}, which {step.environment} pulls from"
    tagged = f"{there} {'image that is' if there == 1 else 'images that are'} there"
    if not missing:
        return f"tag {tagged} already in {where}"
    return f"copy {listed(missing)} to {where}" + (f", and tag {tagged}" if there else "")


def _of_deploy(step: Prepare | PreDeploy | Deploy | Confirm | LookAgain) -> str:
    sha, environment = _release_of(step.engine), _environment_of(step.engine)
    match step:
        case Prepare():
            return f"pull {sha} on {environment}"
        case PreDeploy():
            return f"run the pre-deploy command of {sha} on {environment}"
        case Deploy():
            return f"deploy {sha} to {environment} and wait until it is healthy"
        case Confirm():
            return f"check that {environment} runs the bytes of {sha}"
        case LookAgain():
            return f"check again that {environment} still runs {sha}"


def _of_pointer(step: Point | Unpoint) -> str:
    if isinstance(step, Unpoint):
        return f"remove the pointer {step.tag}"
    before = short(step.old) if step.old else "nothing"
    return f"move {step.tag} from {before} to {short(step.new)}"


def astray(seen: Observation) -> list[str]:
    """Return what is said of pointers that do not name what the ledger says, before they move."""
    if seen.record.release and seen.previous is None:
        return []
    recorded = seen.previous.digests() if seen.previous else {}
    return [
        f"{tag} names {named(found)}; by the ledger it should be {named(recorded.get(service))}"
        for service, tag in references(seen.name, seen.release, seen.previous).items()
        if (found := (seen.pointers or recorded).get(service)) != recorded.get(service)
    ]


def changed_policy(seen: Observation) -> list[str]:
    """Return what is said of settings that are not those of the latest deployment."""
    record = seen.snapshot.deployed(seen.name)
    if record is None:
        return []
    before, today = record.policy, seen.settings.policy
    return [
        f"{seen.name}: {name} is {today.get(name, 'not set')} in this checkout, and was "
        f"{before.get(name, 'not set')} when {record.release} was deployed"
        for name in sorted({*before, *today})
        if before.get(name) != today.get(name)
    ]


def outcome(seen: Observation) -> str:
    """Return what a promotion came to, of an environment as it was seen before."""
    name, sha = seen.name, seen.release.sha
    if seen.settings.is_observed:
        return f"{name} is to run {sha}: {by_another(seen)}; {what_runs(seen)}"
    if seen.is_current:
        return f"{name} runs {sha}, as before; it is in sync again"
    return f"{name} runs {sha} (before: {seen.record.release or 'nothing'})"


def by_another(seen: Observation) -> str:
    """Return who deploys where another tool does."""
    return f"another tool deploys there, by what inv images {seen.name} prints"


def what_runs(seen: Observation) -> str:
    """Return how to see what runs where another tool deploys."""
    return f"what runs: inv verify --env {seen.name}"


def named(digest: Digest | None) -> str:
    """Return what a pointer names, for people."""
    return short(digest) if digest else "nothing"


def _of_promotion(step: OpenPromotion | TakeOver | ClosePromotion) -> str:
    match step:
        case OpenPromotion():
            return f"record {step.promotion.title}: in progress"
        case TakeOver():
            return f"take over {step.former.title}"
        case ClosePromotion():
            return f"record {step.promotion.title}: {step.outcome}"


def _of_prune(step: PruneReleases | RemoveTag | ForgetReleases | RetireEnvironment) -> str:
    match step:
        case RetireEnvironment():
            return f"retire {step.environment} in the ledger"
        case PruneReleases():
            return f"mark {_count(step.shas)} as pruned in the ledger"
        case RemoveTag():
            return f"remove the tag {step.tag}"
        case ForgetReleases():
            return f"remove {_count(tuple(step.tags))} from the ledger: the tags are gone"


def _release_of(engine: Engine) -> str:
    return engine.deployment.sha


def _environment_of(engine: Engine) -> str:
    return engine.deployment.target.name


def _count(shas: Sequence[str]) -> str:
    return f"release {shas[0]}" if len(shas) == 1 else f"{len(shas)} releases"
