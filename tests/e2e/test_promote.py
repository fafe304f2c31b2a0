"""`inv promote`, `resume` and `abort`: the same bytes, in order, or not at all."""

from __future__ import annotations

import signal

import pytest

from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import SERVICES, Monorepo
from tests.kit.registry_wire import another, index_of


def test_a_promoted_image_has_the_very_bytes_that_were_built(released: Monorepo) -> None:
    """The manifests behind both environments' pointers and the commit's tag are one."""
    for service in SERVICES:
        images = released.images(service)
        built = images.require(released.sha())
        assert images.require("staging") == built
        assert images.require("production") == built


def test_promotion_tells_what_moved_from_what_to_what(updated: Monorepo) -> None:
    """A pointer that moved is shown with the digest before and after, the others are named."""
    before = updated.digests("staging")
    done = updated.inv("promote", "staging")
    after = updated.digests("staging")
    was, now = before["web"], after["web"]
    assert was is not None
    assert now is not None
    assert done.row("web", f"{updated.images('web')}:staging", was[7:19], now[7:19])
    assert before["jobs"] == after["jobs"]
    assert "unchanged: jobs" in done.out.splitlines()


def test_promotion_builds_nothing(built: Monorepo, docker: DockerRecorder) -> None:
    """A promotion never calls docker: there is nothing for it to build."""
    built.inv("promote", "staging", env=docker.env)
    assert docker.calls() == []
    assert built.digests("staging") == built.digests(built.sha())


def test_a_service_that_is_no_more_loses_its_pointer(updated: Monorepo) -> None:
    """A release without a service leaves no pointer to the old one; going back brings it back."""
    before, earlier = updated.digests("staging"), updated.sha("HEAD~1")
    text = (updated.root / "pyproject.toml").read_text()
    start = text.index("[tool.buildonce.services.jobs]")
    without = text[:start] + text[text.index("[tool.buildonce.environments") :]
    updated.commit("Without jobs", {"pyproject.toml": without})
    updated.inv("build", "--sha")
    done = updated.inv("promote", "staging")
    assert done.row("jobs", f"{updated.images('jobs')}:staging", "nothing")
    assert updated.digests("staging") == {**updated.digests(updated.sha()), "jobs": None}
    updated.inv("rollback", "staging")
    assert updated.digests("staging") == before == updated.digests(earlier)


def test_a_promotion_outlives_its_reader(updated: Monorepo) -> None:
    """Where nobody reads any more what it prints, it is finished all the same."""
    process = updated.start("promote", "staging")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait() == 0
    record = updated.record("environments/staging.json")
    assert (record["promotion"]["outcome"], record["release"]) == ("done", updated.sha())


def test_the_first_environment_gets_heads_release(built: Monorepo) -> None:
    """Without --sha, an environment that comes after none gets what HEAD was built as."""
    built.inv("promote", "staging")
    assert built.record("environments/staging.json")["release"] == built.sha()


def test_a_later_environment_gets_what_the_one_before_runs(updated: Monorepo) -> None:
    """Without --sha, production gets staging's release, whatever HEAD is by now."""
    staged = updated.sha()
    updated.inv("promote", "staging")
    updated.commit("Change again")
    updated.inv("promote", "production")
    assert updated.record("environments/production.json")["release"] == staged


def test_promotion_again_does_nothing(released: Monorepo) -> None:
    """What an environment runs already is promoted with exit 0 and not one write."""
    before = released.state()
    done = released.inv("promote", "staging", "--sha", released.sha())
    assert f"staging runs {released.sha()} already: nothing to do" in done.out
    assert released.state() == before


def test_a_commit_that_was_not_built_is_refused(built: Monorepo) -> None:
    """An unbuilt commit ends with 3, its sha and the command that builds it."""
    sha = built.commit("Not built")
    before = built.state()
    done = built.inv("promote", "staging", "--sha", sha, expect=3)
    assert f"{sha} was not built" in done.err
    assert f"inv build --sha {sha}" in done.err
    assert built.state() == before


def test_production_is_refused_what_staging_never_ran(built: Monorepo) -> None:
    """A release that the environment before has not had ends with 3 and no write."""
    before = built.state()
    done = built.inv("promote", "production", "--sha", built.sha(), expect=3)
    assert f"staging has never run {built.sha()}" in done.err
    assert built.state() == before


def test_production_waits_for_stagings_first_release(built: Monorepo) -> None:
    """Where staging runs nothing yet, production ends with 3 and says what comes first."""
    done = built.inv("promote", "production", expect=3)
    assert "staging, which runs nothing yet" in done.err
    assert "inv promote staging" in done.err


def test_an_unknown_environment_is_refused_with_a_suggestion(built: Monorepo) -> None:
    """A name that is nearly an environment's ends with 2 and the one that was meant."""
    done = built.inv("promote", "stagign", expect=2)
    assert "perhaps you meant 'staging'" in done.err


def test_a_pointer_that_holds_an_index_of_the_wanted_manifest_really_moves(
    released: Monorepo,
) -> None:
    """The trap: the tag wraps the right manifest, pushers say "already exists", it must move."""
    images = released.images("web")
    wanted = images.require(released.sha())
    images.put("staging", index_of(wanted))
    released.inv("promote", "staging", "--sha", released.sha())
    assert images.require("staging") == wanted


def test_a_pointer_moved_by_hand_is_put_right(released: Monorepo) -> None:
    """Promoting what an environment should run already repairs its pointer."""
    images = released.images("jobs")
    wanted = images.require("production")
    images.put("production", another(wanted, "by hand"))
    released.inv("promote", "production")
    assert images.require("production") == wanted


def test_a_release_that_lost_an_image_moves_no_pointer(updated: Monorepo) -> None:
    """Where a recorded manifest is gone, the promotion ends with 5 and names it."""
    lost = updated.digests(updated.sha())["web"]
    assert lost is not None
    before = updated.digests("staging")
    updated.images("web").delete(lost)
    done = updated.inv("promote", "staging", expect=5)
    assert "web: manifest" in done.err
    assert updated.digests("staging") == before


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interrupted_promotion_holds_the_environment(
    built: Monorepo, how: int, code: int
) -> None:
    """After a kill the next promotion ends with 4, and says who holds it and what to do."""
    assert built.leave_open("staging", how=how).code == code
    held = built.inv("promote", "staging", expect=4)
    assert "staging is locked by promotion 1" in held.err
    assert "Dana Developer" in held.err
    assert "inv resume staging" in held.err
    assert "inv abort staging" in held.err


def test_whoever_interrupts_is_told_how_to_go_on(built: Monorepo) -> None:
    """Ctrl-C ends with the two commands that finish the promotion or undo it."""
    done = built.leave_open("staging", how=signal.SIGINT)
    assert "inv resume staging" in done.err
    assert "inv abort staging" in done.err


def test_an_open_promotion_does_not_hold_other_environments(updated: Monorepo) -> None:
    """While staging is locked, production still takes a release."""
    updated.inv("promote", "staging")
    updated.leave_open("staging", "--sha", updated.sha("HEAD~1"))
    updated.inv("promote", "production")
    assert updated.digests("production") == updated.digests(updated.sha())


def test_resume_finishes_what_was_interrupted(built: Monorepo) -> None:
    """After resume the environment runs the new release whole, and the ledger says so."""
    built.leave_open("staging")
    built.inv("resume", "staging")
    assert built.digests("staging") == built.digests(built.sha())
    record = built.record("environments/staging.json")
    assert (record["promotion"]["outcome"], record["release"]) == ("done", built.sha())
    assert "nothing to resume" in built.inv("resume", "staging").out


def test_abort_puts_the_release_before_back(updated: Monorepo) -> None:
    """After abort the environment runs what it ran, and the ledger says aborted."""
    before = updated.digests("staging")
    updated.leave_open("staging")
    updated.images("web").put("staging", updated.images("web").require(updated.sha()))
    updated.inv("abort", "staging")
    assert updated.digests("staging") == before
    assert updated.record("environments/staging.json")["promotion"]["outcome"] == "aborted"
    assert "nothing to abort" in updated.inv("abort", "staging").out


def test_abort_of_the_first_promotion_leaves_no_pointer(built: Monorepo) -> None:
    """Where there was no release before, abort takes away the pointers that were moved."""
    built.leave_open("staging")
    built.images("web").put("staging", built.images("web").require(built.sha()))
    built.inv("abort", "staging")
    assert built.digests("staging") == {"web": None, "jobs": None}
    assert all(built.digests(built.sha()).values())
