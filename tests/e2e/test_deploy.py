"""Promotions that deploy: what they change, what ends them early, and what drifted since."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Callable

import pytest

from tests.kit.deployed_monorepo import Front
from tests.kit.figures import Figures
from tests.kit.hosts import asking, longest_silence
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import LEDGER
from tests.kit.nightly import nightly
from tests.kit.registry_wire import another
from tests.kit.waiting import wait_for


def test_a_promotion_changes_what_a_client_sees(front: Front, figures: Figures) -> None:
    """After it production answers with the new version, and every container is proven."""
    version, before = front.release(), front.serves()
    with asking(front.place.address) as answers:
        began = time.monotonic()
        front.promote()
        took = time.monotonic() - began
        wait_for(lambda: answers[-1][1] == version, "the new version")
    silence = f"{longest_silence(answers):.2f}"
    figures("Compose, inv promote", seconds=f"{took:.1f}", of_them_interrupted=silence)
    assert {answer for _, answer in answers} <= {before, "", version}
    front.is_sound()
    rows = front.repo.inv("verify", "--env", "production", "--json").json()["evidence"]
    containers = {row["service"] for row in rows if row["check"] == "container"}
    assert containers == {"web", "jobs"}


def test_promoting_again_does_nothing(front: Front) -> None:
    """What production runs already is not deployed again."""
    before = front.place.ids("web"), front.repo.ledger()
    assert "nothing to do" in front.promote().out
    assert (front.place.ids("web"), front.repo.ledger()) == before


def test_a_digest_that_is_gone_changes_nothing(front: Front) -> None:
    """Exit 5 before anything is written, where the registry has lost a part of the release."""
    front.release()
    ids, ledger = front.place.ids("web"), front.repo.ledger()
    images = front.repo.images("web")
    stored = images.require(front.repo.sha())
    images.delete(stored.digest)
    try:
        front.promote(expect=5)
        assert (front.place.ids("web"), front.repo.ledger()) == (ids, ledger)
    finally:
        for tag in (front.repo.sha(), "staging"):
            images.put(tag, stored)
    front.is_sound()


def test_an_interruption_leaves_what_can_be_finished(front: Front) -> None:
    """Ctrl-C while containers come up: exit 130, shown as in progress, and resume finishes it."""
    version = front.release()
    done = front.meanwhile("web 1 is ", lambda it: it.send_signal(signal.SIGINT))
    assert done.code == 130, done.err
    assert "inv resume production" in done.err
    assert is_open(front.record())
    front.repo.inv("resume", "production")
    assert front.serves() == version
    front.is_sound()


@pytest.mark.nightly
def test_an_interruption_leaves_what_can_be_undone(front: Front) -> None:
    """Ctrl-C while containers come up, and abort puts the release before back."""
    before = front.serves()
    front.release()
    done = front.meanwhile("web 1 is ", lambda it: it.send_signal(signal.SIGINT))
    assert done.code == 130, done.err
    front.repo.inv("abort", "production")
    assert front.serves() == before
    front.is_sound()


def test_a_rollback_deploys_the_release_before(front: Front) -> None:
    """Going back is a deploy as well: the former version answers again, from its own digests."""
    before = front.serves()
    front.release()
    front.promote()
    assert front.serves() != before
    front.repo.inv("rollback", "production")
    assert front.serves() == before
    front.is_sound()


def move_the_pointer(front: Front) -> str:
    images = front.repo.images("web")
    images.put("production", another(images.require("production"), "tampering"))
    return "pointer"


def move_the_tag(front: Front) -> str:
    images, sha = front.repo.images("web"), str(front.record()["release"])
    images.put(sha, another(images.require(sha), "tampering"))
    return "commit tag"


def replace_a_container(front: Front) -> str:
    (web,) = front.place.ids("web")
    image = front.place.docker("inspect", "--format={{.Config.Image}}", *front.place.ids("jobs"))
    labels = json.loads(front.place.docker("inspect", "--format={{json .Config.Labels}}", web))
    options = [f"--label={key}={value}" for key, value in labels.items()]
    front.place.docker("rm", "--force", web)
    front.place.docker("run", "--detach", "--env=PLACE=x", "--publish=8010:8000", *options, image)
    return "container"


def stop_a_container(front: Front) -> str:
    front.place.docker("stop", *front.place.ids("web"))
    return "container"


def rewrite_the_record(front: Front) -> str:
    path = f"releases/{front.record()['release']}.json"
    record = front.repo.record(path)
    record["services"]["web"]["digest"] = "sha256:" + "0" * 64
    front.repo.rewrite(path, json.dumps(record))
    return "bytes"


@pytest.mark.parametrize(
    "drift",
    [
        move_the_pointer,
        nightly(move_the_tag),
        nightly(replace_a_container),
        nightly(stop_a_container),
        rewrite_the_record,
    ],
)
def test_drift_is_named_wherever_it_is(front: Front, drift: Callable[[Front], str]) -> None:
    """Exit 9, with the row that does not hold, for each place where the truth can be bent."""
    front.is_sound()
    ledger = front.repo.ledger()
    images = front.repo.images("web")
    tags = {tag: images.require(tag) for tag in ("production", str(front.record()["release"]))}
    check = drift(front)
    try:
        said = front.repo.inv("verify", "--env", "production", "--json", expect=9)
        wrong = [row for row in said.json()["evidence"] if not row["holds"]]
        assert (check, "web") in {(row["check"], row["service"]) for row in wrong}
    finally:
        front.repo.git("update-ref", f"refs/heads/{LEDGER}", ledger, cwd=front.repo.origin)
        front.repo.git("update-ref", "-d", f"refs/buildonce/{LEDGER}")
        for tag, stored in tags.items():
            images.put(tag, stored)
        front.promote("--sha", str(front.record()["release"]))
    front.is_sound()


def by_hand(front: Front, *options: str, **variables: str) -> None:
    """Apply the ledger's own definition with Compose alone, in an empty folder."""
    definition = front.repo.git(
        "show", f"{LEDGER}:deployments/production.yaml", cwd=front.repo.origin
    )
    project = ("--project-name", front.place.target.project, "--file", "-")
    values = {"PLACE": "production", **variables}
    with tempfile.TemporaryDirectory() as empty:
        front.place.docker(
            *("compose", *project, "up", "--detach", *options), stdin=definition, env=values,
            cwd=empty,
        )  # fmt: skip


def test_the_ledgers_definition_is_usable_without_this_program(front: Front) -> None:
    """Compose alone, in an empty folder, makes of it what runs already."""
    before = front.place.ids("web"), front.place.ids("jobs")
    by_hand(front)
    assert (front.place.ids("web"), front.place.ids("jobs")) == before
    front.is_sound()


def give_another_value(front: Front) -> tuple[str, str]:
    by_hand(front, "--no-deps", "jobs", PLACE="elsewhere")
    return "definition", "jobs"


def scale_up(front: Front) -> tuple[str, str]:
    by_hand(front, "--no-deps", "--scale=jobs=2", "jobs")
    return "container", "jobs"


def scale_to_nothing(front: Front) -> tuple[str, str]:
    by_hand(front, "--no-deps", "--scale=jobs=0", "jobs")
    return "count", "jobs"


@pytest.mark.parametrize(
    "change", [nightly(give_another_value), nightly(scale_up), scale_to_nothing]
)
def test_a_change_by_hand_is_named_and_undone(
    front: Front, change: Callable[[Front], tuple[str, str]]
) -> None:
    """Right bytes, by another definition or in another number: exit 9; a promotion mends it."""
    wanted = change(front)
    said = front.repo.inv("verify", "--env", "production", "--json", expect=9)
    wrong = [row for row in said.json()["evidence"] if not row["holds"]]
    assert wanted in {(row["check"], row["service"]) for row in wrong}
    front.promote("--sha", str(front.record()["release"]))
    front.is_sound()


@pytest.mark.nightly
def test_todays_variables_are_deployed_on_demand(front: Front) -> None:
    """With another value there is nothing to do, which says so; --redeploy brings it."""
    file = front.repo.root / "pyproject.toml"
    before, ids, sha = file.read_text(), front.place.ids("web"), str(front.record()["release"])
    file.write_text(before.replace('"production" }', '"abroad" }').replace('"2m"', '"3m"'))
    try:
        said = front.promote("--sha", sha)
        assert "jobs, web would get other variables or secrets today" in " ".join(said.out.split())
        assert front.place.ids("web") == ids
        done = front.promote("--redeploy", "--reason", "moved")
        assert 'timeout is "3m" in this checkout, and was "2m"' in " ".join(done.err.split())
        (web,) = front.place.ids("web")
        assert "PLACE=abroad" in front.place.docker("inspect", "--format={{.Config.Env}}", web)
        front.is_sound()
    finally:
        file.write_text(before)
        front.promote("--redeploy")
    front.is_sound()


@pytest.mark.nightly
def test_a_variable_without_a_value_is_refused_before_anything_changes(front: Front) -> None:
    """Dry run, promotion, and a promotion whose way back needs it: with file, line and name."""
    repo, file = front.repo, "deploy/compose.yaml"
    before, running = (repo.root / file).read_text(), repo.record("environments/production.json")
    needy = before.replace('PLACE: "${PLACE}"', 'PLACE: "${PLACE}", NEW: "${BRAND_NEW}"', 1)
    line = needy[: needy.index("BRAND_NEW")].count("\n") + 1
    try:
        repo.commit("Need a variable", {file: needy})
        repo.inv("build", "--sha=HEAD", "promote", "staging")
        for options in (("--dry-run",), ()):
            refused = front.promote(*options, expect=2)
            assert f"{file}:{line}: BRAND_NEW" in refused.err
        assert repo.record("environments/production.json") == running
        repo.inv("promote", "production", env={"BRAND_NEW": "given"})
    finally:
        repo.commit("Need none", {file: before})
    repo.inv("build", "--sha=HEAD", "promote", "staging")
    assert "BRAND_NEW" in front.promote(expect=2).err
    repo.inv("promote", "production", env={"BRAND_NEW": "given"})


def test_the_remedy_for_a_stray_works(front: Front) -> None:
    """A container of no service ends `verify` with 9; the command that it names removes it."""
    project = front.place.target.project
    labels = {"project": project, "service": "former", "oneoff": "False", "config-hash": "x"}
    options = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    image = front.place.docker("inspect", "--format={{.Config.Image}}", *front.place.ids("jobs"))
    front.place.docker("run", "--detach", "--env=PLACE=x", *options, image)
    said = front.repo.inv("verify", "--env", "production", expect=9)
    _, found, command = said.err.partition("to repair it without a build: inv ")
    assert found
    front.repo.inv(*command.split())
    front.is_sound()
