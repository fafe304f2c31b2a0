"""A commit's deployment files as one text that needs no other file: read by the real Compose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.errors import UsageError
from buildonce.refs import Digest, Repository
from tests.kit.monorepo import NO_ENGINE

pytestmark = pytest.mark.skipif(
    not shutil.which("docker"), reason="this machine has no docker client with Compose"
)

WEB = Repository("r.example", "shop/web").at(Digest("sha256:" + "a" * 64))
TARGET = Target("production", "compose", project="shop")

COMPOSE = """\
include: [parts/queue.yaml]
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB}
    build: ../web
    extends: {file: parts/base.yaml, service: base}
    env_file: [../env/web.env, {path: ../env/optional.env, required: false}]
    environment: {TOKEN: "${TOKEN}", LEVEL: "${LEVEL:-info}", W: overridden}
    configs: [app]
    volumes: ["data:/data", "/srv/uploads:/uploads", "${DATA_DIR:-/srv}/y:/y:ro"]
    ports: ["${PORT:-80}:80"]
configs: {app: {file: ../conf/app.conf}}
volumes: {data: {}}
"""

FILES = {
    "deploy/compose.yaml": COMPOSE,
    "deploy/parts/queue.yaml": "services: {queue: {image: 'valkey:8', env_file: q.env}}\n",
    "deploy/parts/q.env": "Q=1\n",
    "deploy/parts/base.yaml": "services: {base: {restart: always, env_file: base.env}}\n",
    "deploy/parts/base.env": "B=from the base\n",
    "deploy/.env": "TOKEN=committed default\n",
    "env/web.env": 'W=1\nX=one $$\nY="two words"\n',
    "conf/app.conf": "price = $5\n",
}

Make = Callable[..., Definition]


@pytest.fixture
def definition_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A definition whose commit has these files, with others in their place."""
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)

    def made(paths: tuple[str, ...] = ("deploy/compose.yaml",), **changed: str) -> Definition:
        tree = tmp_path / "commit"
        shutil.rmtree(tree, ignore_errors=True)
        for name, content in {**FILES, **changed}.items():
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

        def export(folder: Path) -> Path:
            shutil.copytree(tree, folder)
            return folder

        files = Files(paths, export, locate=lambda name: f"deploy/compose.yaml:{len(name)}")
        return Definition(Deployment(TARGET, "0" * 12, files, {"web": WEB}), Docker(TARGET))

    return made


def services(definition: Definition) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(definition.text)["services"]
    return found


def test_everything_that_the_files_refer_to_is_inside(definition_of: Make) -> None:
    """Included and extended services, environment files and configs are in the one text."""
    definition = definition_of()
    web, queue = services(definition)["web"], services(definition)["queue"]
    assert (web["image"], web["restart"]) == (str(WEB), "always")
    assert queue["environment"] == {"Q": "1"}
    environment = web["environment"]
    assert environment["B"] == "from the base"
    assert environment["W"] == "overridden"
    assert environment["Y"] == "two words"
    assert {"build", "env_file", "extends"} & set(web) == set()
    configs = yaml.safe_load(definition.text)["configs"]
    assert configs == {"app": {"content": "price = $$5\n"}}


def test_nothing_of_this_machine_is_inside(definition_of: Make, tmp_path: Path) -> None:
    """No path of the clone or of the export, so that every clone deploys the same."""
    assert str(tmp_path) not in definition_of().text
    assert "/buildonce-" not in definition_of().text


def test_variables_stay_variables(definition_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this process has set is filled in when it is deployed, not before."""
    monkeypatch.setenv("LEVEL", "debug")
    web = services(definition_of())["web"]
    assert web["environment"]["LEVEL"] == "${LEVEL:-info}"
    assert web["ports"] == ["${PORT:-80}:80"]
    assert "${DATA_DIR:-/srv}/y:/y:ro" in web["volumes"]


def test_a_committed_env_file_gives_defaults(definition_of: Make) -> None:
    """`.env` beside the Compose file is part of the release, as the value of last resort."""
    assert services(definition_of())["web"]["environment"]["TOKEN"] == "${TOKEN:-committed default}"


def test_what_compose_reads_of_it_is_what_was_meant(definition_of: Make) -> None:
    """With every value filled in; a dollar is printed doubled, as Compose reads it again."""
    resolved = definition_of().resolved
    web = resolved["services"]["web"]
    assert web["environment"]["X"] == "one $$"
    assert web["environment"]["TOKEN"] == "committed default"
    assert resolved["configs"]["app"]["content"] == "price = $$5\n"
    assert {volume["source"] for volume in web["volumes"]} == {"data", "/srv/uploads", "/srv/y"}


def test_several_files_are_one_definition(definition_of: Make) -> None:
    """Later files override earlier ones, as `docker compose --file A --file B` has it."""
    over = {"deploy/production.yaml": "services: {web: {environment: {LEVEL: warn}}}\n"}
    definition = definition_of(("deploy/compose.yaml", "deploy/production.yaml"), **over)
    assert services(definition)["web"]["environment"]["LEVEL"] == "warn"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("deploy/compose.yaml", "services: {web: {build: ../web}}", "would be built"),
        (
            "deploy/compose.yaml",
            "services: {web: {image: 'shop/web:1', build: ../web}}",
            "would be built",
        ),
        (
            "deploy/compose.yaml",
            "services: {web: {image: $BUILDONCE_IMAGE_WEB, volumes: ['./conf:/conf']}}",
            "mounts ./conf, a path of the repository",
        ),
        (
            "deploy/compose.yaml",
            "services: {web: {image: x, env_file: missing.env}}",
            "needs missing.env, which is not in this commit",
        ),
        (
            "deploy/compose.yaml",
            "{services: {web: {image: x, configs: [a]}}, configs: {a: {file: gone}}}",
            "needs gone, which is not in this commit",
        ),
        (
            "deploy/compose.yaml",
            "{services: {web: {image: x, secrets: [a]}}, secrets: {a: {file: ./pw}}}",
            "the secret a is the file ./pw",
        ),
        (
            "deploy/compose.yaml",
            "services: {web: {image: x, volumes: ['${DIR:-./conf}:/conf']}}",
            "mounts ${DIR:-./conf}, a path of the repository",
        ),
        ("env/web.env", "OK=1\nX=${FOREIGN:-y}\n", "env/web.env:2 uses ${FOREIGN}"),
        ("deploy/compose.yaml", "services: [", "deploy/compose.yaml cannot be used"),
    ],
    ids=[
        *("build", "build and tag", "bind mount", "no environment file", "no config", "secret"),
        *("default", "foreign variable", "no YAML"),
    ],
)
def test_what_cannot_travel_with_a_release_is_refused(
    definition_of: Make, tmp_path: Path, file: str, content: str, words: str
) -> None:
    """The file and the thing are named, with the remedy, before anything is touched."""
    with pytest.raises(UsageError) as refused:
        _ = definition_of(**{file: content}).bundle
    assert words in refused.value.message
    assert refused.value.hint
    assert str(tmp_path) not in refused.value.message


def test_a_file_that_is_not_in_the_commit_is_named(definition_of: Make) -> None:
    """A deployment file that was never committed is no part of the release."""
    with pytest.raises(UsageError, match=r"deploy/gone\.yaml is not in this commit"):
        _ = definition_of(("deploy/gone.yaml",)).bundle


def test_variables_without_a_value_are_listed(
    definition_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them at once, each with where it is used; those with a default or a value are not."""
    needy = {
        "deploy/compose.yaml": "services: {web: {image: $BUILDONCE_IMAGE_WEB, environment: "
        "{A: $FIRST, B: '${SECOND:?must be set}', C: '${THIRD:-3}', D: '$$FOURTH', E: $GIVEN}}}"
    }
    monkeypatch.setenv("GIVEN", "")
    with pytest.raises(UsageError, match="production needs a value for") as refused:
        definition_of(**needy).require_variables()
    lines = refused.value.message.splitlines()[1:]
    assert lines == ["  deploy/compose.yaml:5: FIRST", "  deploy/compose.yaml:6: SECOND"]


def test_the_variable_of_a_secret_needs_a_value(
    definition_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret or config that a service is given from a variable is no blank and no surprise."""
    secrets = "secrets: {key: {environment: KEY}, other: {environment: UNUSED}}"
    service = "{image: $BUILDONCE_IMAGE_WEB, secrets: [key]}"
    made = definition_of(**{"deploy/compose.yaml": f"services: {{web: {service}}}\n{secrets}"})
    with pytest.raises(UsageError, match=r"needs a value for:\n.*: KEY$") as refused:
        made.require_variables()
    assert "default" not in refused.value.hint
    monkeypatch.setenv("KEY", "")
    made.require_variables()
    assert made.decided().variables == ("KEY",)


@pytest.mark.parametrize("kind", ["secrets", "configs", "networks"])
def test_what_a_variable_makes_of_shared_parts_is_part_of_a_service(
    definition_of: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Another external secret, config or network is another service; others stay the same."""
    services = f"{{web: {{image: $BUILDONCE_IMAGE_WEB, {kind}: [one]}}, other: {{image: x}}}}"
    shared = f"{kind}: {{one: {{external: true, name: 'v${{V}}'}}}}"
    made = {"deploy/compose.yaml": f"services: {services}\n{shared}\n"}
    monkeypatch.setenv("V", "1")
    before = definition_of(**made).decided().services
    monkeypatch.setenv("V", "2")
    after = definition_of(**made).decided().services
    assert before["web"] != after["web"]
    assert before["other"] == after["other"]


def test_a_variable_that_makes_a_path_of_the_repository_is_refused(
    definition_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value is known when it is deployed: then the service and the path are named."""
    monkeypatch.setenv("DATA_DIR", "./here")
    with pytest.raises(UsageError, match="web mounts here/y, a path of the repository"):
        definition_of().require_usable()
    monkeypatch.setenv("DATA_DIR", "/srv")
    definition_of().require_usable()


def test_what_the_ledger_has_is_not_read_from_a_commit(definition_of: Make) -> None:
    """A bundle of an earlier deployment needs neither the commit nor a file of it."""
    definition = definition_of()
    kept = definition.bundle

    def gone(_folder: Path) -> Path:
        raise AssertionError("the commit must not be read")

    files = Files(("gone.yaml",), gone, locate=lambda _: "")
    deployment = Deployment(TARGET, "0" * 12, files, {"web": WEB}, bundle=kept)
    assert Definition(deployment, Docker(TARGET)).text == definition.text
