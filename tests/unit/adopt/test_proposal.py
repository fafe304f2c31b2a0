"""What is proposed for repositories of other layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import tomli
import yaml

from buildonce.adopt.proposal import Proposal, propose
from buildonce.adopt.service import slug
from buildonce.adopt.survey import Survey
from buildonce.config import Project, parse
from buildonce.errors import PreconditionError, UsageError
from tests.kit.foreign import COMPOSE_APP, KUBERNETES, SERVICES, UV_WORKSPACE

GITHUB = "https://github.com/Acme/Shop"
LAYOUTS = {
    "compose": COMPOSE_APP, "uv": UV_WORKSPACE, "kubernetes": KUBERNETES, "services": SERVICES,
}  # fmt: skip


def survey(files: Mapping[str, str], remote: str = "origin", address: str = GITHUB) -> Survey:
    return Survey(Path("/src/shop"), tuple(sorted(files)), remote, address, files)


def proposed(files: Mapping[str, str]) -> tuple[Proposal, Project]:
    made = propose(survey(files))
    return made, parse(tomli.loads(made.table)["tool"]["buildonce"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_configuration_is_valid(layout: str) -> None:
    """What is proposed passes the very checks that a command makes."""
    _, project = proposed(LAYOUTS[layout])
    assert list(project.environments) == ["staging", "production"]
    assert project.environments["production"].after == "staging"
    elsewhere = "europe-docker.pkg.dev/acme/shop"
    assert project.registry == (elsewhere if layout == "kubernetes" else "ghcr.io/acme/shop")


def test_a_compose_file_says_how_services_are_built() -> None:
    """Contexts, targets and arguments are its own; third-party images are no services."""
    _, project = proposed(COMPOSE_APP)
    assert list(project.services) == ["web", "report-mailer"]
    assert project.services["web"].context == "web"
    mailer = project.services["report-mailer"]
    assert (mailer.dockerfile, mailer.context, mailer.target) == (
        "docker/mailer.Dockerfile", ".", "runtime",
    )  # fmt: skip
    assert mailer.args == {"FLAVOUR": "plain"}
    assert set(mailer.inputs) == {"mailer", "templates/hello.txt"}


def test_the_release_file_runs_images_by_digest() -> None:
    """Beside the Compose file: each `build` is the release's image, the rest stays as it was."""
    made, _ = proposed(COMPOSE_APP)
    released = yaml.safe_load(made.files["compose.release.yaml"])["services"]
    before = yaml.safe_load(COMPOSE_APP["docker-compose.yml"])["services"]
    assert {name: part["image"] for name, part in released.items()} == {
        "web": "${BUILDONCE_IMAGE_WEB}",
        "worker": "${BUILDONCE_IMAGE_WEB}",
        "report-mailer": "${BUILDONCE_IMAGE_REPORT_MAILER}",
        "db": "postgres:17",
        "proxy": "traefik:v3",
    }
    assert all("build" not in part for part in released.values())
    assert released["web"]["environment"] == before["web"]["environment"]
    assert released["db"] == before["db"]


@pytest.mark.parametrize(
    "words",
    [
        "docker-compose.yml: SECRET_KEY has no value",
        "web mounts ./web/static from the repository",
        "worker reads worker.env, which git does not have",
        "uncomment engine, file, project and host",
        "no CI system was found",
    ],
)
def test_what_is_left_to_decide_is_said(words: str) -> None:
    """Everything that only a person can know has its line."""
    made, _ = proposed(COMPOSE_APP)
    assert any(words in decision for decision in made.decisions)


def test_what_has_a_default_is_not_left_to_decide() -> None:
    """`${LOG_LEVEL:-info}` needs nobody."""
    made, _ = proposed(COMPOSE_APP)
    assert not any("LOG_LEVEL" in decision for decision in made.decisions)


def test_dockerfiles_alone_say_enough() -> None:
    """Each gets the context that fits it; tests and development containers are no services."""
    _, project = proposed(UV_WORKSPACE)
    assert list(project.services) == ["billing_api", "thumbs"]
    billing, thumbs = project.services.values()
    assert billing.context == "."
    assert set(billing.inputs) == {
        "uv.lock", "pyproject.toml", "packages/common", "services/billing_api",
    }  # fmt: skip
    assert thumbs.context == "services/thumbs"


def test_a_pyproject_that_is_there_grows() -> None:
    """Its own text is not repeated, and tasks.py is new."""
    made, _ = proposed(UV_WORKSPACE)
    assert made.added_to == ("pyproject.toml",)
    assert made.files["pyproject.toml"] == made.table
    assert "release_tasks" in made.files["tasks.py"]


def test_skaffold_says_how_services_are_built() -> None:
    """Artifacts are the services; templated arguments are left out."""
    made, project = proposed(KUBERNETES)
    assert list(project.services) == ["frontend", "cart"]
    assert project.services["cart"].target == "release"
    assert project.services["cart"].args == {"MODE": "fast"}
    assert set(project.services["cart"].inputs) == {"cart", "proto"}
    assert any("k8s/overlays/staging" in decision for decision in made.decisions)
    assert any("GitHub Actions" in decision for decision in made.decisions)


def test_a_repository_without_a_remote() -> None:
    """The registry is named as made up, and the ledger as local."""
    made = propose(survey({"Dockerfile": "FROM x\n"}, "", ""))
    assert 'registry = "registry.example.com/shop"' in made.table
    assert "ledger_remote" not in made.table
    assert [decision.partition(":")[0] for decision in made.decisions[:2]] == [
        "registry", "git remote",
    ]  # fmt: skip


def test_a_remote_of_another_name_keeps_the_ledger() -> None:
    """Where there is no `origin`, the remote that there is is named."""
    made = propose(survey({"Dockerfile": "FROM x\n"}, "upstream", "https://gitlab.com/acme/shop"))
    assert 'ledger_remote = "upstream"' in made.table
    assert 'registry = "registry.gitlab.com/acme/shop"' in made.table


def test_tasks_that_are_there_are_not_replaced() -> None:
    """What to add to them is said instead."""
    made = propose(survey({"Dockerfile": "FROM x\n", "tasks.py": "from invoke import task\n"}))
    assert "tasks.py" not in made.files
    assert any("add_collection" in decision for decision in made.decisions)


def test_services_of_one_name_are_told_apart() -> None:
    """Two folders of the same name are two services."""
    files = {"a/web/Dockerfile": "FROM x\n", "b/web/Dockerfile": "FROM x\n"}
    assert [service.name for service in propose(survey(files)).services] == ["web", "web-2"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Dockerfile", "shop"),
        ("docker/api.Dockerfile", "api"),
        ("Dockerfile.worker", "worker"),
        ("apps/Mail Sender/Dockerfile", "mail-sender"),
        ("apps/mail/docker/Dockerfile", "mail"),
        ("build/Containerfile", "shop"),
        ("apps/mail/Dockerfile.prod", "mail"),
        ("apps/mail/production.Dockerfile", "mail"),
        ("apps/mail/Dockerfile.dev", "mail"),
    ],
)
def test_a_service_is_called_as_people_call_it(path: str, name: str) -> None:
    """By the Dockerfile's own name, or the nearest folder that says something."""
    (service,) = propose(survey({path: "FROM x\n"})).services
    assert service.name == name


@pytest.mark.parametrize(
    ("text", "expected"), [("Mail", "mail"), ("a__b", "a-b"), ("-a.b-", "a-b"), ("ü", "")]
)
def test_a_name_is_one_that_the_configuration_takes(text: str, expected: str) -> None:
    """Lower case, digits, single separators."""
    assert slug(text) == expected


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"README.md": ""}, "no Dockerfile"),
        ({"Dockerfile": "", "pyproject.toml": "[tool.buildonce]\n"}, "already"),
    ],
)
def test_where_nothing_can_be_proposed(files: dict[str, str], words: str) -> None:
    """Without a Dockerfile there is nothing to build; a second proposal is none."""
    with pytest.raises(PreconditionError, match=words):
        propose(survey(files))


@pytest.mark.parametrize("text", ["services: [", "- a\n", "services:\n  - a\n", ""])
def test_a_compose_file_that_is_none_is_told(text: str) -> None:
    """Without a traceback, with the file's name."""
    with pytest.raises(UsageError, match=r"compose\.yaml cannot be read"):
        propose(survey({"compose.yaml": text, "Dockerfile": ""}))


def test_the_dockerfile_for_releases_is_taken() -> None:
    """Of several for one service, it is that; the others are named."""
    made, project = proposed(SERVICES)
    assert list(project.services) == ["mail", "orders", "users", "web"]
    assert project.services["web"].dockerfile == "services/web/Dockerfile.prod"
    assert any(
        "services/web/Dockerfile is not among the services: services/web/Dockerfile.prod" in one
        for one in made.decisions
    )


def test_a_suffix_that_several_services_have_names_none() -> None:
    """It says what they have in common, so each is called by its folder as well."""
    files = {f"{name}/Dockerfile.alpine": "FROM x\n" for name in ("api", "web")}
    names = [service.name for service in propose(survey(files)).services]
    assert names == ["api-alpine", "web-alpine"]


def test_a_base_image_of_the_repository_is_no_service() -> None:
    """What others are made from is named in `bases`, with the command that makes it."""
    made, project = proposed(SERVICES)
    assert project.bases == {"acme/base:latest": "ghcr.io/acme/shop/base:1"}
    (decision,) = [one for one in made.decisions if "is made here" in one]
    assert decision.endswith(
        "docker buildx build --push --tag ghcr.io/acme/shop/base:1 --file build/base/Dockerfile ."
    )


@pytest.mark.parametrize(
    ("image", "script", "made_here"),
    [
        ("acme/base", "", True),
        ("base", "", False),
        ("base:1", "docker build -t base:1 base\n", True),
        ("acme/base", "docker build -t acme/other base\n", False),
        ("acme/python", "", False),
    ],
)
def test_what_makes_an_image_the_repositorys_own(image: str, script: str, made_here: bool) -> None:
    """A script gives it that tag or, where none is known, its name ends as the service's does."""
    files = {"base/Dockerfile": "FROM x\n", "web/Dockerfile": f"FROM {image}\n", "b.sh": script}
    made = propose(survey(files))
    assert (len(made.services) == 1) == made_here


def test_a_context_that_scripts_name_is_taken() -> None:
    """A Dockerfile that copies all does not tell what of; the build does."""
    files = {"web/Dockerfile": "FROM x\nCOPY . /src\n", "web/web.js": "", "lib.js": ""}
    (guessed,) = propose(survey(files)).services
    assert guessed.context == "web"
    assert any("web: all of the context" in one for one in propose(survey(files)).decisions)
    told = propose(survey({**files, "Makefile": "web:\n\tdocker build -f web/Dockerfile .\n"}))
    assert (told.services[0].context, told.services[0].why) == (
        ".", "web/Dockerfile; context as in Makefile",
    )  # fmt: skip
    assert not any("all of the context" in one for one in told.decisions)


@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("uv sync --locked --package web", "uv.lock"),
        ("npm ci", "package-lock.json"),
        ("corepack enable && pnpm install --frozen-lockfile", "pnpm-lock.yaml"),
        ("yarn install --immutable", "yarn.lock"),
        ("cargo build --release --locked", "Cargo.lock"),
        ("go build ./...", "go.mod"),
    ],
)
def test_a_lock_file_tells_the_context(command: str, lock: str) -> None:
    """A command that needs one is run where the context has it: in a workspace, at the root."""
    text = f"FROM x\nCOPY . .\nRUN {command}\n"
    files = {"web/Dockerfile": text, "web/web.txt": "", lock: ""}
    assert propose(survey(files)).services[0].context == "."
    own = {**files, f"web/{lock}": ""}
    assert propose(survey(own)).services[0].context == "web"
