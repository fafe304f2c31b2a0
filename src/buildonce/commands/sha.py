"""``inv sha``: the tag of a commit."""

from __future__ import annotations

import os

from buildonce import ci
from buildonce.app import App


def show_sha(app: App, name: str) -> None:
    """Print the tag of a commit, and set the output ``sha`` where a workflow runs."""
    sha = app.sha(app.commit(name))
    print(sha)
    ci.set_outputs({"sha": sha}, os.environ)
