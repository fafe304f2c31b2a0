"""Which containers of a Compose project belong to a release, and which are missing."""

from typing import Any
from unittest import mock

import pytest

from buildonce.engines.base import Running
from buildonce.engines.compose.containers import Project
from buildonce.engines.docker import Docker
from buildonce.engines.parts import Part

RIGHT, WRONG = ("sha256:" + letter * 64 for letter in "ab")


def part(**changes: Any) -> dict[str, Part]:
    known = {"name": "web", "image": f"r/web@{RIGHT}", "replicas": 1, "needs": {}}
    return {"web": Part(**{**known, "optional": False, **changes})}


def container(id: str = "c1", **labels: str) -> dict[str, Any]:  # noqa: A002
    known = {"service": "web", "container-number": "1", "oneoff": "False"}
    return {
        "Id": id,
        "Name": f"/{id}",
        "Image": RIGHT,
        "State": {"Status": "running"},
        "Config": {
            "Labels": {f"com.docker.compose.{k}": v for k, v in {**known, **labels}.items()}
        },
    }


def rows(parts: dict[str, Part], *containers: dict[str, Any]) -> list[Running]:
    """What a project of these containers runs, on an engine that has their images."""
    docker = mock.create_autospec(Docker, instance=True)
    docker.run.return_value = " ".join(one["Id"] for one in containers)
    docker.inspect.side_effect = lambda kind, names: {
        "container": list(containers),
        "image": [{"Id": name, "RepoDigests": [f"r/web@{name}"]} for name in names],
    }[kind]
    return Project(docker, "shop").running(parts, "host")


def problems(parts: dict[str, Part], *containers: dict[str, Any]) -> dict[str, str]:
    return {row.container: row.problem for row in rows(parts, *containers) if row.problem}


def test_a_container_of_the_release_is_fine() -> None:
    """The right bytes in a running container of a known service are no problem."""
    assert problems(part(), container()) == {}


def test_other_bytes_come_before_any_state() -> None:
    """Wrong bytes are named even where the container is not up either."""
    wrong = {**container(), "Image": WRONG, "State": {"Status": "exited"}}
    assert problems(part(), wrong) == {"c1": "runs bbbbbbbbbbbb, not aaaaaaaaaaaa"}


@pytest.mark.parametrize(
    "labels", [{"service": "former"}, {"oneoff": "True"}, {"service": ""}, {"service": "Web"}]
)
def test_what_no_service_accounts_for_is_stray(labels: dict[str, str]) -> None:
    """Containers of former services and one-off runs are strays, whatever bytes they run."""
    stray = container("c2", **labels)
    assert problems(part(), container(), stray) == {
        "c2": "does not belong to the release (running)"
    }


def test_the_surplus_of_replicas_is_stray() -> None:
    """Of more replicas than are wanted, those with the highest numbers are strays."""
    three = [container(f"c{n}", **{"container-number": str(n)}) for n in (10, 2, 1)]
    assert list(problems(part(replicas=2), *three)) == ["c10"]


def test_an_unknown_number_of_replicas_makes_no_strays() -> None:
    """Where a variable gives the number of replicas, any number from one on will do."""
    many = [container("c1"), container("c2", **{"container-number": "2"})]
    assert problems(part(replicas=None), *many) == {}
    assert [row.state for row in rows(part(replicas=None))] == ["missing"]


def test_each_replica_that_is_missing_has_a_row() -> None:
    """A stray does not stand in for a replica."""
    found = rows(part(replicas=2), container(), container("c2", oneoff="True"))
    assert [row.problem for row in found if not row.stray] == ["", "is missing"]


def test_a_service_behind_a_profile_is_not_missed() -> None:
    """What runs only on request need not be there."""
    assert rows(part(optional=True)) == []


def test_a_definition_without_a_digest_expects_none() -> None:
    """An image that the definition names by tag may have any bytes, as long as it runs."""
    assert problems(part(image="valkey/valkey:8"), {**container(), "Image": WRONG}) == {}


@pytest.mark.parametrize(
    ("found", "runs"),
    [([], False), ([{"State": {"Running": True}}], True), ([{"State": {"Running": False}}], False)],
)
def test_whether_a_container_of_a_name_runs(found: list[dict[str, Any]], runs: bool) -> None:
    """One that ended, or that is not there, does not."""
    docker = mock.create_autospec(Docker, instance=True)
    docker.inspect.return_value = found
    assert Project(docker, "shop").is_running("shop-pre-deploy") is runs
