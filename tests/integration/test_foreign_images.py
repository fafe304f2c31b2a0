"""A ledger that names images from elsewhere: they are neither deployed nor proven."""

from __future__ import annotations

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.verify import verify
from buildonce.errors import DifferenceError, IntegrityError
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

ELSEWHERE = "{registry}/somebody-elses/{service}"


def test_an_image_from_elsewhere_is_not_promoted(project: Monorepo) -> None:
    """What the ledger says is believed only where the configuration has the repository, too."""
    release(project)
    before = project.state()
    with pytest.raises(IntegrityError, match=r"the configuration says .*/somebody-elses/web"):
        promote(app(project, image=ELSEWHERE), "staging")
    assert project.state() == before


def test_an_image_from_elsewhere_is_a_difference(project: Monorepo) -> None:
    """An environment that runs such an image is not verified, whatever its bytes are."""
    release(project)
    promote(app(project), "staging")
    with pytest.raises(DifferenceError, match="staging web repository at ledger"):
        verify(app(project, image=ELSEWHERE), ["staging"], each=True, as_json=False)
