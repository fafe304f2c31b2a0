"""The README and the recipes agree with the code that they describe."""

import re
from pathlib import Path

import pytest

from buildonce import errors
from buildonce.config import environments, tables
from buildonce.errors import ReportedError
from buildonce.ledger.records import deployment, environment, promotion, release
from buildonce.ledger.records.record import Record
from buildonce.tasks import release_tasks
from tests.kit.repository import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLES = [
    tables.Project,
    tables.Service,
    tables.BuildSecret,
    environments.Environment,
    environments.Freeze,
    environments.PreDeploy,
    tables.Prune,
]
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


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_the_reference_has_every_key_as_the_schema_describes_it(
    table: type[environments.Table],
) -> None:
    """docs/configuration.md has a row for each key, with the schema's own words."""
    text = (ROOT / "docs/configuration.md").read_text()
    for name, field in table.model_fields.items():
        row = rf"^\| `{name}` \| [^|]+ \| {re.escape(field.description or '')}.* \|$"
        assert re.search(row, text, re.MULTILINE), f"| `{name}` | … | {field.description} |"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_the_ledgers_fields_are_explained(record: type[Record]) -> None:
    """docs/ledger.md names each field of the ledger's files."""
    text = (ROOT / "docs/ledger.md").read_text()
    assert [name for name in record.model_fields if f"`{name}`" not in text] == []


def headings(document: Path) -> set[str]:
    """The names by which a document's headings are linked to."""
    found = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def exit_codes() -> set[int]:
    found = {kind.exit_code for kind in vars(errors).values() if is_an_error(kind)}
    return found - {ReportedError.exit_code}


def is_an_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, ReportedError)
