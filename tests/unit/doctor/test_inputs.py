"""Whether a service's inputs are what its build reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce.adopt.survey import Survey
from buildonce.config import parse
from buildonce.doctor.findings import Finding
from buildonce.doctor.inputs import examine

COPYING = "FROM scratch\nCOPY shop/src /srv/\nCOPY libs/core /srv/\n"
FILES = ("shop/src/a.py", "libs/core/b.py", "docs/c.md", "mail/Dockerfile")


def found(dockerfile: str = COPYING, **service: object) -> list[Finding]:
    """What is said of the service `shop`, beside another one that has its own context."""
    texts = {"shop/Dockerfile": dockerfile, "mail/Dockerfile": "FROM scratch\n"}
    tree = Survey(Path("/nowhere"), (*FILES, "shop/Dockerfile"), texts=texts)
    services = {"shop": service, "mail": {"context": "mail"}}
    return list(examine(parse({"registry": "r.example/acme", "services": services}), tree))


@pytest.mark.parametrize(
    "inputs", [["shop", "libs"], ["shop/src", "libs/core"], ["shop", "libs/core/b.py"], ["."]]
)
def test_inputs_that_fit_are_in_order(inputs: list[str]) -> None:
    """Each is read, and all that is read is among them; the Dockerfile's folder may be."""
    assert found(inputs=inputs) == []


def test_a_service_on_all_of_the_repository_is_told_what_it_costs() -> None:
    """The remedy has the paths that its Dockerfile reads."""
    (finding,) = found()
    assert finding.level == "warning"
    assert "depends on all 5 files" in finding.found
    assert finding.remedy == 'services.shop: inputs = ["libs/core", "shop/src"]'


def test_a_lone_service_may_depend_on_everything() -> None:
    """Where there is no other service, a build for each commit costs nothing extra."""
    tree = Survey(Path("/nowhere"), ("shop/Dockerfile",), texts={"shop/Dockerfile": COPYING})
    project = parse({"registry": "r.example/acme", "services": {"shop": {}}})
    assert list(examine(project, tree)) == []


def test_what_is_copied_and_not_declared_is_a_problem() -> None:
    """The build would not see it; the remedy adds it."""
    (finding,) = found(inputs=["shop"])
    assert finding.level == "problem"
    assert "copies libs/core, which is none of its inputs" in finding.found
    assert finding.remedy == 'services.shop: inputs = ["shop", "libs/core"]'


def test_what_is_declared_and_not_copied_costs_builds() -> None:
    """An input that nothing reads is named, with the list without it."""
    (finding,) = found(inputs=["shop", "libs", "docs"])
    assert finding.level == "warning"
    assert "docs is one of its inputs" in finding.found
    assert finding.remedy == 'services.shop: inputs = ["shop", "libs"]'


@pytest.mark.parametrize("service", [{"dockerfile": "D"}, {"context": "nothing"}])
def test_what_cannot_be_built_is_no_matter_of_inputs(service: dict[str, object]) -> None:
    """A Dockerfile or context that is not there is told by another look."""
    tree = Survey(Path("/nowhere"), (*FILES, "shop/Dockerfile"), texts={"shop/Dockerfile": COPYING})
    services = {"shop": {**service, "inputs": ["docs"]}, "mail": {"context": "nothing"}}
    project = parse({"registry": "r.example/acme", "services": services})
    assert list(examine(project, tree)) == []


@pytest.mark.parametrize("more", ["COPY . /all/\n", "ARG D=docs\nCOPY ${D} /docs/\n"])
def test_where_it_cannot_be_told_nothing_is_said(more: str) -> None:
    """A copy of all that is visible, or by a variable, may read every input."""
    assert found(COPYING + more, inputs=["shop", "libs", "docs"]) == []
