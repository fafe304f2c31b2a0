"""A plan in a file is carried out exactly, or refused with nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from buildonce.app import now
from buildonce.commands.promote import apply, promote
from buildonce.commands.prune import prune
from buildonce.commands.recover import abort
from buildonce.commands.rollback import rollback
from buildonce.errors import BuildonceError
from tests.kit.in_process import app, heard, leave_open
from tests.kit.ledger_log import facts
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import another
from tests.kit.releases import record_release, release

SOAKING = {"staging": {}, "production": {"after": "staging", "soak": "1h"}}


@pytest.fixture
def plan(project: Monorepo, tmp_path: Path) -> Path:
    """A plan to promote the second release to staging, which runs the first."""
    first, _ = release(project, web="one"), release(project, web="two")
    promote(app(project), "staging", first)
    path = tmp_path / "plan.json"
    promote(app(project), "staging", reason="as agreed", plan_to=path)
    return path


def test_planning_writes_the_file_alone(project: Monorepo, tmp_path: Path) -> None:
    """`--plan` shows the steps and leaves the ledger and the pointers alone."""
    sha, path = release(project, web="one"), tmp_path / "plan.json"
    before = project.state()
    said = project.inv("promote", "staging", f"--plan={path}").out
    assert f"record promotion 1 of staging to {sha}: in progress" in said
    assert f"inv promote staging --apply {path}" in said
    assert project.state() == before
    assert json.loads(path.read_text())["request"]["release"] == sha


def test_a_plan_is_carried_out_exactly(project: Monorepo, plan: Path) -> None:
    """`--apply` promotes the very release, with the reason that was planned."""
    planned = json.loads(plan.read_text())
    project.inv("promote", "staging", f"--apply={plan}")
    assert project.record("environments/staging.json")["release"] == planned["request"]["release"]
    assert project.digests("staging") == project.digests(planned["request"]["release"])
    assert facts(project)[-1]["Reason"] == "as agreed"


def test_a_plan_is_carried_out_by_another_clone(
    project: Monorepo, plan: Path, tmp_path: Path
) -> None:
    """The file is all that the one who plans and the one who applies have to share."""
    apply(app(project.clone(tmp_path / "other", "--depth=1")), "staging", plan)
    assert project.digests("staging") == project.digests(project.sha())


def test_a_plan_is_not_carried_out_twice(project: Monorepo, plan: Path) -> None:
    """Once applied, the state it was made from is gone."""
    apply(app(project), "staging", plan)
    refused(project, plan, 3, "record")


def refused(repo: Monorepo, plan: Path, code: int, said: str) -> None:
    """Applying must be refused with this code and this word, and write nothing."""
    before = repo.state()
    with pytest.raises(BuildonceError, match=said) as error:
        apply(app(repo), "staging", plan)
    assert error.value.exit_code == code
    assert repo.state() == before


def promoted_elsewhere(repo: Monorepo) -> None:
    promote(app(repo), "staging")


def promoted_and_back(repo: Monorepo) -> None:
    promote(app(repo), "staging")
    rollback(app(repo), "staging", None, "")


def tried_and_aborted(repo: Monorepo) -> None:
    leave_open(lambda: promote(app(repo), "staging"))
    abort(app(repo), "staging")


def in_progress(repo: Monorepo) -> None:
    leave_open(lambda: promote(app(repo), "staging"))


def pointer_moved(repo: Monorepo) -> None:
    images = repo.images("web")
    images.put("staging", another(images.require("staging"), "somebody was here"))


def pruned(repo: Monorepo) -> None:
    release(repo, web="three")
    prune(app(repo, prune={"keep_releases": 1, "keep_for": "0s", "keep_rollbacks": 1}))


def pruned_and_built_again(repo: Monorepo) -> None:
    planned = repo.git("rev-parse", "HEAD")
    pruned(repo)
    record_release(repo, planned, at=now())


def layer_lost(repo: Monorepo) -> None:
    images = repo.images("web")
    images.delete_blob(images.require(repo.sha()).layers[0])


@pytest.mark.parametrize(
    ("move", "code", "said"),
    [
        (promoted_elsewhere, 3, "record, pointers"),
        (promoted_and_back, 3, "planned: record"),
        (tried_and_aborted, 3, "planned: record"),
        (in_progress, 4, "is locked by promotion 2"),
        (pointer_moved, 3, "planned: pointers"),
        (pruned, 3, "was not built"),
        (pruned_and_built_again, 3, "planned: release"),
        (layer_lost, 5, "web: layer"),
    ],
)
def test_a_plan_is_refused_once_anything_moved(
    project: Monorepo, plan: Path, move: Callable[[Monorepo], None], code: int, said: str
) -> None:
    """Whatever happened since the plan was made, applying it says what, and writes nothing."""
    move(project)
    refused(project, plan, code, said)


def test_a_plan_for_another_environment_is_refused(project: Monorepo, plan: Path) -> None:
    """A plan for staging cannot be applied to production."""
    said = project.inv("promote", "production", f"--apply={plan}", expect=2).err
    assert "is a plan for staging, not for production" in said


def test_the_rules_hold_when_a_plan_is_applied(project: Monorepo, tmp_path: Path) -> None:
    """A plan made with leave to break a rule carries that leave; one made without gets none."""
    release(project, web="one")
    promote(app(project), "staging")
    plain, path = tmp_path / "plain.json", tmp_path / "plan.json"
    promote(app(project), "production", plan_to=plain)
    soaking = app(project, environments=SOAKING)
    promote(soaking, "production", overrides=["soak"], reason="urgent", plan_to=path)
    with pytest.raises(BuildonceError, match="has run in staging for"):
        apply(app(project, environments=SOAKING), "production", plain)
    apply(app(project, environments=SOAKING), "production", path)
    assert facts(project)[-1]["Overrides"] == "soak"


def test_a_plan_with_nothing_to_do_does_nothing(project: Monorepo, tmp_path: Path) -> None:
    """Planned and applied where the release runs already: said, and not written."""
    release(project, web="one")
    promote(app(project), "staging")
    path = tmp_path / "plan.json"
    promote(app(project), "staging", plan_to=path)
    before = project.state()
    there = app(project)
    apply(there, "staging", path)
    assert "nothing to do" in heard(there)
    assert project.state() == before
