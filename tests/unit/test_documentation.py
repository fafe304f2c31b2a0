"""The README and the recipes agree with the code that they describe."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import tomli

from buildonce import errors
from buildonce.config import Project
from buildonce.errors import ReportedError
from buildonce.ledger.records import deployment, environment, promotion, release
from buildonce.ledger.records.record import Record
from buildonce.tasks import release_tasks
from tests.kit.repository import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ["commands.md", "configuration.md"]
COMING_FROM = sorted((ROOT / "docs/coming-from").glob("*.md"))
RECORDS = [
    *(release.Release, release.ImageRecord, environment.EnvironmentRecord, promotion.Promotion),
    *(deployment.DeploymentRecord, deployment.PlaceRecord, deployment.DeployedService),
]
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_link_leads_somewhere(document: Path) -> None:
    """Every relative link names a file that is there, and a heading that is in it."""
    for link in LINK.finditer(document.read_text()):
        target = (document.parent / link["path"]) if link["path"] else document
        assert target.exists(), link[0]
        assert not link["heading"] or link["heading"] in headings(target), link[0]


def test_the_readme_lists_every_command() -> None:
    """The table of commands has each release task, and none that there is not."""
    rows = [line.split("|")[1] for line in README.read_text().splitlines() if "| `inv " in line]
    listed = re.findall(r"`inv ([a-z]+)", " ".join(rows))
    assert set(listed) == set(release_tasks(str(ROOT / "tasks.py")).task_names)


def test_the_readme_installs_before_it_runs() -> None:
    """No command of the library is shown before the section that says how to install it."""
    before, installing = README.read_text().split("## Install\n")
    assert "inv " not in before
    assert installing.index("uv add") < installing.index("$ inv ")


@pytest.mark.parametrize("document", ["README.md", "docs/failures.md"])
def test_every_exit_code_is_explained(document: str) -> None:
    """Each code that an error carries is in the README's table and in the recipe for failures."""
    text = (ROOT / document).read_text()
    told = re.findall(r"^(?:\||##) (\d+)(?:(?:,| and) (\d+))?", text, re.MULTILINE)
    assert {int(code) for codes in told for code in codes if code} - {0, 1} == exit_codes()


@pytest.mark.parametrize("page", REFERENCE)
def test_the_reference_is_what_the_code_says(page: str) -> None:
    """Commands, options and keys are as `nox -s reference` would write them now."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert reference().written(text) == text


def test_the_reference_has_every_table() -> None:
    """docs/configuration.md has a part for each table of the configuration."""
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    told = re.findall(r"<!-- from the code: (\w+) -->", text)
    assert sorted(told) == sorted(reference().TABLES)


@pytest.mark.parametrize("document", COMING_FROM, ids=lambda path: path.stem)
def test_a_configuration_to_move_to_is_valid(document: Path) -> None:
    """What the pages for users of other tools show is a configuration that is taken."""
    (shown,) = re.findall(r"^```toml\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    project = Project.model_validate(tomli.loads(shown)["tool"]["buildonce"])
    assert list(project.environments) == ["staging", "production"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_the_ledgers_fields_are_explained(record: type[Record]) -> None:
    """docs/ledger.md names each field of the ledger's files."""
    text = (ROOT / "docs/ledger.md").read_text()
    assert [name for name in record.model_fields if f"`{name}`" not in text] == []


def reference() -> ModuleType:
    """What writes the reference, which is no module of the library."""
    spec = spec_from_file_location("reference", ROOT / "docs/site/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(document: Path) -> set[str]:
    """The names by which a document's headings are linked to."""
    found = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def exit_codes() -> set[int]:
    found = {kind.exit_code for kind in vars(errors).values() if is_an_error(kind)}
    return found - {ReportedError.exit_code}


def is_an_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, ReportedError)
