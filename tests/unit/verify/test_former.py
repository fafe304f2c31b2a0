"""Places that an environment was moved away from."""

from __future__ import annotations

import pytest

from buildonce.engines.base import Remains, Target
from buildonce.errors import UnavailableError
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.verify import former

OLD = PlaceRecord(engine="compose", host="ssh://old", project="shop")
NEW = PlaceRecord(engine="compose", host="ssh://new", project="shop")
RECORD = DeploymentRecord(release="a" * 12, place=NEW, salt="salt", former=(OLD,))


@pytest.mark.parametrize(("names", "holds"), [((), True), (("shop-web-1",), False)])
def test_a_former_place_has_to_be_empty(names: tuple[str, ...], holds: bool) -> None:
    """What still runs there is named, with the command that removes it."""

    def look(target: Target) -> Remains:
        assert (target.host, target.project) == ("ssh://old", "shop")
        return Remains(names, "docker compose down")

    (row,) = former.rows("staging", RECORD, look)
    assert (row.holds, row.remedy) == (holds, "docker compose down")
    assert all(name in row.found for name in names)


def test_a_former_place_that_does_not_answer_is_not_checked() -> None:
    """A host that was given up proves nothing, and fails nothing."""

    def look(_target: Target) -> Remains:
        raise UnavailableError("no answer from ssh://old")

    (row,) = former.rows("staging", RECORD, look)
    assert (row.checked, row.holds) == (False, True)
    assert "no answer" in row.found
