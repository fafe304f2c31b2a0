"""What others are told when a promotion ends: the command of `notify`, and GitHub."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from unittest import mock

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.rollback import rollback
from buildonce.errors import UnavailableError
from buildonce.registry import Registry
from tests.kit.fake_github import FakeGitHub
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release
from tests.kit.repository import ROOT

KEEP = "import sys; open('events', 'a').write(sys.stdin.read() + '\\n')"
NOTIFY = (sys.executable, "-c", KEEP)
ENVIRONMENTS = {"staging": {"url": "https://staging.shop.example"}, "production": {}}


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A stand-in for GitHub, whose job this process is."""
    with FakeGitHub.serving() as fake, mock.patch.dict(os.environ, fake.environ()):
        yield fake


def test_each_outcome_is_an_event(project: Monorepo) -> None:
    """Done, failed and rolled back: the command has heard of each when `inv` ends."""
    first, second = release(project, web="one"), release(project, web="two")
    promote(app(project, notify=NOTIFY), "staging", first)
    promote(app(project, notify=NOTIFY), "staging", second)
    rollback(app(project, notify=NOTIFY), "staging", None, "too slow")
    refusal = UnavailableError("the registry is down")
    with mock.patch.object(Registry, "point", side_effect=refusal), pytest.raises(UnavailableError):
        promote(app(project, notify=NOTIFY), "staging", second, reason="again")
    events = [json.loads(line) for line in (project.root / "events").read_text().splitlines()]
    assert [event["event"] for event in events] == ["done", "done", "rolled-back", "failed"]
    assert events[2]["reason"] == "too slow"
    assert events[2]["release"] == first


def test_the_recipe_for_chat_tools_posts_the_sentence(project: Monorepo) -> None:
    """The script of docs/notify.md sends the event's text to the webhook that it is given."""
    recipe = (ROOT / "docs/notify.md").read_text()
    found = re.search(r"```python ops/notify.py\n(.*?)```", recipe, re.DOTALL)
    assert found
    (project.root / "ops").mkdir()
    (project.root / "ops/notify.py").write_text(found[1])
    sha = release(project, web="one")
    command = (sys.executable, "ops/notify.py")
    with FakeGitHub.serving() as chat, mock.patch.dict(os.environ, CHAT_WEBHOOK=chat.address):
        promote(app(project, notify=command), "staging")
    (sent,) = chat.sent
    assert sent.fields == {"text": f"staging runs {sha} (before: nothing)"}


def test_a_notification_that_fails_is_a_note(project: Monorepo) -> None:
    """The promotion is done all the same, and the command's last word is shown."""
    release(project)
    there = app(project, notify=(sys.executable, "-c", "raise SystemExit('no webhook')"))
    promote(there, "staging")
    assert "ended with 1: no webhook" in heard(there)
    assert project.record("environments/staging.json")["promotion"]["outcome"] == "done"


def test_github_has_a_deployment_with_its_address(project: Monorepo, github: FakeGitHub) -> None:
    """The deployment is of the release's own commit; its status has the environment's address."""
    release(project)
    promote(app(project, environments=ENVIRONMENTS), "staging")
    deployment, status = github.sent
    assert deployment.path == "/repos/acme/shop/deployments"
    assert deployment.authorization == "Bearer secret"
    assert deployment.fields["ref"] == project.git("rev-parse", "HEAD")
    assert deployment.fields["environment"] == "staging"
    assert status.path == "/repos/acme/shop/deployments/1/statuses"
    assert status.fields["state"] == "success"
    assert status.fields["environment_url"] == "https://staging.shop.example"
    assert status.fields["log_url"] == "https://github.example/acme/shop/actions/runs/7"


@pytest.mark.parametrize(("status", "told"), [(403, False), (404, False), (422, True)])
def test_github_may_refuse(project: Monorepo, github: FakeGitHub, status: int, told: bool) -> None:
    """A token without the right is no news; anything else is a note. The promotion is done."""
    github.status = status
    release(project)
    there = app(project)
    promote(there, "staging")
    assert len(github.sent) == 1
    assert ("GitHub has no deployment" in heard(there)) == told
    assert "secret" not in heard(there)
    assert project.record("environments/staging.json")["promotion"]["outcome"] == "done"


def test_nobody_to_ask_is_a_note(project: Monorepo, github: FakeGitHub) -> None:
    """Where GitHub does not answer, the promotion is done, and that is said."""
    release(project)
    with mock.patch.dict(os.environ, {"GITHUB_API_URL": "http://127.0.0.1:9"}):
        there = app(project)
        promote(there, "staging")
    assert "GitHub has no deployment" in heard(there)
    assert github.sent == []
