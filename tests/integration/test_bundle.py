"""A commit's deployment files as one text that needs no other file: read by the real Compose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.bundle import problems
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.engines.sources import Sources
from buildonce.errors import UsageError
from buildonce.refs import Digest, Repository
from tests.kit.monorepo import NO_ENGINE

pytestmark = pytest.mark.skipif(
    not shutil.which("docker"), reason="this machine has no docker client with Compose"
)

WEB = Repository("r.example", "shop/web").at(Digest("sha256:" + "a" * 64))
TARGET = Target("production", "compose", project="shop")
UP = "/".join([".."] * 20)

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
    "env/web.env": "W=1\nX=one $$\nY=\"two words\"\n# ${NONE}\nZ=${W}st\nL='${L}'\nBARE\n",
    "conf/app.conf": "price = $5\n",
    "deploy/binary": "\udcff",
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
            file.write_bytes(content.encode(errors="surrogateescape"))

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
    monkeypatch.setenv("BARE", "of this machine")
    web = services(definition_of())["web"]
    assert not web["environment"].get("BARE")
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
    assert web["environment"]["Z"] == "1st"
    assert web["environment"]["L"] == "$${L}"
    assert web["environment"]["TOKEN"] == "committed default"
    assert resolved["configs"]["app"]["content"] == "price = $$5\n"
    assert {volume["source"] for volume in web["volumes"]} == {"data", "/srv/uploads", "/srv/y"}


def test_several_files_are_one_definition(definition_of: Make) -> None:
    """Later files override earlier ones, as `docker compose --file A --file B` has it."""
    over = {"deploy/production.yaml": "services: {web: {environment: [LEVEL=warn, TOKEN]}}\n"}
    definition = definition_of(("deploy/compose.yaml", "deploy/production.yaml"), **over)
    environment = services(definition)["web"]["environment"]
    assert (environment["LEVEL"], environment["TOKEN"]) == ("warn", None)


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
        (
            "deploy/compose.yaml",
            "{services: {web: {image: x, configs: [a]}}, configs: {a: {file: binary}}}",
            "the config a is not text: binary",
        ),
        (
            "deploy/compose.yaml",
            "services: {web: {image: x, env_file: /etc/passwd}}",
            "needs /etc/passwd, which is not in this commit",
        ),
        (
            "deploy/compose.yaml",
            f"services: {{web: {{image: x, env_file: {UP}/etc/passwd}}}}",
            f"needs {UP}/etc/passwd, which is not in this commit",
        ),
        (
            "deploy/compose.yaml",
            f"{{services: {{web: {{image: x}}}}, configs: {{a: {{file: {UP}/etc/passwd}}}}}}",
            f"the config a needs {UP}/etc/passwd, which is not in this commit",
        ),
        ("deploy/compose.yaml", "services: {web: {command: x}}", "it has no image"),
        ("env/web.env", "OK=1\nX=${FOREIGN:-y}\n", "env/web.env:2 uses ${FOREIGN}"),
        ("env/web.env", "1 = 2 =\n'", "env/web.env cannot be used"),
        ("deploy/compose.yaml", "services: [", "deploy/compose.yaml cannot be used"),
    ],
    ids=[
        *("build", "build and tag", "bind mount", "no environment file", "no config", "secret"),
        *("default", "binary config", "environment file of a machine"),
        *("environment file out of the export", "config out of the export", "no image"),
        *("foreign variable", "no environment file at all", "no YAML"),
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


def test_all_that_cannot_travel_is_found_at_once(definition_of: Make, tmp_path: Path) -> None:
    """Whoever adopts a file sees everything that is to be changed in it, in the file's order."""
    written = """\
services:
  api: {image: x, env_file: [gone.env, also.env]}
  jobs: {build: ., image: "$BUILDONCE_IMAGE_WEB"}
  mail: {build: ., image: "shop/mail:1", volumes: ["./a:/a", "/b:/b"]}
  web: {image: x, volumes: ["../c:/c"]}
configs: {app: {file: gone.conf}, machine: {file: /etc/app}}
secrets: {key: {file: ./key}, other: {external: true}}
"""
    definition_of(**{"deploy/compose.yaml": written})
    sources = Sources(Docker(TARGET), tmp_path / "commit", ["deploy/compose.yaml"])
    found = [problem.message.removeprefix("deploy/compose.yaml: ") for problem in problems(sources)]
    assert found == [
        "api needs gone.env, which is not in this commit",
        "api needs also.env, which is not in this commit",
        "mail would be built when it is deployed: it has `build`",
        "mail mounts ./a, a path of the repository: hosts do not have it",
        "web mounts ../c, a path of the repository: hosts do not have it",
        "the config app needs gone.conf, which is not in this commit",
        "the secret key is the file ./key, which no release has",
    ]


def test_files_that_can_travel_have_no_problem(definition_of: Make, tmp_path: Path) -> None:
    """And those that Compose cannot read have that one."""
    definition_of()
    sources = Sources(Docker(TARGET), tmp_path / "commit", ["deploy/compose.yaml"])
    assert problems(sources) == []
    definition_of(**{"deploy/compose.yaml": "services: ["})
    (problem,) = problems(sources)
    assert problem.message.startswith("deploy/compose.yaml cannot be used")


def test_what_needs_no_file_of_the_commit_stays_as_it_is(definition_of: Make) -> None:
    """Images that exist, configs that are written out or lie on the host, and bare variables."""
    written = f"""\
name: mine
services:
  web: {{image: $BUILDONCE_IMAGE_WEB, command: "$BRACE $EMPTY $OTHER"}}
  db: {{image: "{WEB}", build: ./db}}
configs: {{inline: {{content: a}}, host: {{file: /etc/app}}, swarm: {{external: true}}}}
secrets: {{host: {{file: /etc/key}}}}
"""
    env = "BRACE=a}b\nEMPTY=\n"
    definition = definition_of(**{"deploy/compose.yaml": written, "deploy/.env": env})
    assert yaml.safe_load(definition.text) == {
        "services": {
            "web": {"image": str(WEB), "command": "$BRACE ${EMPTY:-} $OTHER"},
            "db": {"image": str(WEB)},
        },
        "configs": {
            "inline": {"content": "a"},
            "host": {"file": "/etc/app"},
            "swarm": {"external": True},
        },
        "secrets": {"host": {"file": "/etc/key"}},
    }


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


def test_a_bundle_that_compose_cannot_read_any_more(definition_of: Make) -> None:
    """The release is named, since the file of the commit is not what is wrong."""
    deployment = replace(definition_of().deployment, images={}, bundle="services: {web: 5}")
    definition = Definition(deployment, Docker(TARGET))
    with pytest.raises(UsageError, match=r"compose\.yaml of release 000000000000 cannot be used:"):
        _ = definition.model
    assert definition.resolved == {}


def test_composes_own_variable_has_a_value_where_compose_runs(definition_of: Make) -> None:
    """The project's name is set by Compose, and by nobody on a Swarm."""
    text = "services: {web: {image: $BUILDONCE_IMAGE_WEB, hostname: $COMPOSE_PROJECT_NAME}}"
    definition = definition_of(**{"deploy/compose.yaml": text})
    definition.require_variables()
    assert definition.resolved["services"]["web"]["hostname"] == "shop"
    deployment = replace(definition.deployment, target=replace(TARGET, engine="swarm"))
    with pytest.raises(UsageError, match=r"needs a value for:\n.*COMPOSE_PROJECT_NAME") as refused:
        Definition(deployment, Docker(TARGET)).require_variables()
    assert "or give it a default: ${COMPOSE_PROJECT_NAME:-}" in refused.value.hint


def test_a_service_that_a_definition_lacks_is_named(definition_of: Make) -> None:
    """With those that it has, one of which may have been meant."""
    definition = definition_of()
    definition.require_part("web")
    with pytest.raises(UsageError, match=r"compose\.yaml has no service wbe") as refused:
        definition.require_part("wbe")
    assert refused.value.hint == "it has queue, web"
