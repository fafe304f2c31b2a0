"""`[tool.buildonce]`: what is accepted, and what a wrong table's author is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from buildonce.config import Project, parse, read_table
from buildonce.config.environments import Environment, PreDeploy
from buildonce.config.fields import image_variable
from buildonce.config.services import BuildSecret, Service
from buildonce.config.tables import Prune
from buildonce.errors import UsageError

SMALLEST: dict[str, Any] = {"registry": "ghcr.io/acme", "services": {"api": {}}}


OBSERVED = {"engine": "kubernetes", "context": "live", "namespace": "shop"}
COMPOSE = {"engine": "compose", "file": "compose.yaml", "project": "shop"}
MIGRATION = {"service": "api", "command": ["migrate"]}
MARTIAN = {"start": "Fri 16:00", "end": "Mon 07:00", "timezone": "Mars"}


def table(**changed: Any) -> dict[str, Any]:
    return {**SMALLEST, **changed}


def service(**settings: Any) -> dict[str, Any]:
    return table(services={"api": settings})


def environments(**named: dict[str, Any]) -> dict[str, Any]:
    return table(environments=named)


def refusal(wrong: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        parse(wrong)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_the_defaults_are_those_of_the_field() -> None:
    """Two keys are enough: the rest is what most projects want."""
    project = parse(SMALLEST)
    assert str(project.repository("api")) == "ghcr.io/acme/api"
    assert project.dockerfile("api") == "api/Dockerfile"
    assert project.service("api").context == "."
    assert (project.platform, project.sha_length, project.cache) == ("linux/amd64", 12, True)
    assert (project.ledger_branch, project.ledger_remote) == ("release-ledger", "origin")


def test_a_context_of_its_own_has_the_dockerfile_in_it() -> None:
    """A service with a context is built from there unless it names a Dockerfile."""
    assert parse(service(context="apps/api")).dockerfile("api") == "apps/api/Dockerfile"
    assert parse(service(context="./apps/api/")).dockerfile("api") == "apps/api/Dockerfile"
    assert parse(service(context="./")).dockerfile("api") == "api/Dockerfile"
    named = service(context="apps/api", dockerfile="docker/api")
    assert parse(named).dockerfile("api") == "docker/api"


def test_the_image_template_is_filled_in() -> None:
    """The template places registry and service where it wants them."""
    project = parse(table(image="{registry}/shop/{service}-image"))
    assert str(project.repository("api")) == "ghcr.io/acme/shop/api-image"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (table(registri="x"), "tool.buildonce.registri: unknown key; perhaps you meant 'registry'"),
        (service(dockerfil="x"), "services.api.dockerfil: unknown key; perhaps you meant 'dock"),
        (environments(staging={"aftr": "x"}), "aftr: unknown key; perhaps you meant 'after'"),
        (
            environments(live={**COMPOSE, "pre_deploy": {**MIGRATION, "comand": ["x"]}}),
            "pre_deploy.comand: unknown key; perhaps you meant 'command'",
        ),
        (service(secrets={"KEY": {"fil": "x"}}), "KEY.fil: unknown key; perhaps you meant 'file'"),
        (table(zebra=1), "tool.buildonce.zebra: unknown key"),
        ({"services": {"api": {}}}, "tool.buildonce.registry: is missing"),
        ({"registry": "ghcr.io"}, "tool.buildonce.services: is missing"),
        (table(services={}), "tool.buildonce.services = {}"),
        (table(registry=5), "tool.buildonce.registry = 5"),
        (table(platform="linux"), "tool.buildonce.platform = 'linux'"),
        (table(sha_length=4), "tool.buildonce.sha_length = 4"),
        (table(sha_length=41), "tool.buildonce.sha_length = 41"),
        (service(context="/etc"), "tool.buildonce.services.api.context = '/etc'"),
        (service(context="../other"), "must be a path inside the repository"),
        (service(dockerfile="-f"), "must be a path inside the repository"),
        (service(dockerfile="./-f"), "must be a path inside the repository"),
        (service(context=""), "services.api.context = '': must be a path inside the repository"),
        (service(inputs=["a/../../b"]), "services.api.inputs.0 = 'a/../../b'"),
        (service(args={"1ST": "x"}), "services.api.args.1ST"),
        (service(target="--push"), "services.api.target = '--push'"),
        (service(secrets={"a": {}}), "secrets.a = {}: needs either `variable` or `file`"),
        (service(secrets={"a": {"file": "x"}}), "must be an absolute path, or begin with ~/"),
        (service(secrets={"a,b": {"variable": "X"}}), "must be letters, digits and any of _ . -"),
        (service(image="r/a", target="b", args={}), "so args, target has no use"),
        (service(image="a b"), "services.api.image = 'a b'"),
        (service(ssh=["a,b"]), "must look like 'default' or 'deploy=~/.ssh/deploy'"),
        (service(ssh=["a=/b,/c"]), "must name one socket or key"),
        (table(image="{registry}/{servise}"), "may use {registry} and {service} only"),
        (table(image="{registry.host}/{service}"), "may use {registry} and {service} only"),
        (table(image="{registry[a]}/{service}"), "may use {registry} and {service} only"),
        (table(image="{registry}/UPPER/{service}"), "is not an image name"),
        (table(bases={"python": "not a name"}), "tool.buildonce.bases.python = 'not a name'"),
        (table(ledger_branch="--force"), "tool.buildonce.ledger_branch = '--force'"),
        (table(ledger_remote="--exec=x"), "tool.buildonce.ledger_remote = '--exec=x'"),
        (environments(live={"project": "a.b"}), "environments.live.project = 'a.b'"),
        (environments(latest={}), "environments.latest: the tag 'latest' is used for something"),
        (environments(dev={}), "environments.dev: the tag 'dev' is used for something"),
        (environments(buildcache={}), "the tag 'buildcache' is used for something else"),
        (environments(abcdef012345={}), "the tag 'abcdef012345' is used for something else"),
        (environments(live={"after": "tset"}, test={}), "perhaps you meant 'test'"),
        (environments(live={"services": ["apy"]}), "live.services: there is no service 'apy'; per"),
        (environments(live={"engine": "compose"}), "'compose' needs `file` and `project`"),
        (environments(live={**OBSERVED, "project": "shop"}), "project: needs `file`; without it"),
        (environments(live={**OBSERVED, "timeout": "1m"}), "timeout: needs `file`; without it"),
        (environments(live={"engine": "kubernetes"}), "needs `context` and `namespace`"),
        (environments(live={"after": "live"}), "environments.live.after: live after live is a"),
        (environments(live={"soak": "1h"}), "soak: needs `after`"),
        (environments(live={"insecure": True}), "image and insecure: need `registry`"),
        (environments(live={**COMPOSE, "context": "x"}), "context and namespace: need engine"),
        (environments(live={**COMPOSE, "images": {"api": "x"}}), "images: needs engine"),
        (environments(live={**COMPOSE, "pull_config": "/x"}), "pull_config: needs engine 'swarm'"),
        (environments(live={"pre_deploy": MIGRATION}), "pre_deploy: needs an engine that runs it"),
        (environments(live={"freeze": [MARTIAN]}), "freeze.0.timezone = 'Mars': is not a time"),
        (
            {**environments(live={"registry": "r.io"}), "image": "ghcr.io/acme/{service}"},
            "environments.live.registry: `image` does not use {registry}",
        ),
        (
            {
                **environments(live={**COMPOSE, "services": ["web"], "pre_deploy": MIGRATION}),
                "services": {"api": {}, "web": {}},
            },
            "live.pre_deploy.service: api is none of environments.live.services",
        ),
    ],
)
def test_a_problem_is_told_with_its_path_and_value(wrong: dict[str, Any], told: str) -> None:
    """The message names the TOML path, the offending value, and what was perhaps meant."""
    assert told in refusal(wrong)


@pytest.mark.parametrize(
    ("settings", "deploys", "is_observed"),
    [
        ({}, False, False),
        (OBSERVED, False, True),
        ({**OBSERVED, "file": "k8s", "project": "shop"}, True, False),
        ({"engine": "compose", "file": "compose.yaml", "project": "shop"}, True, False),
    ],
)
def test_who_deploys(settings: dict[str, Any], deploys: bool, is_observed: bool) -> None:
    """We do where there are files; on a cluster without any, another tool does, and we look."""
    live = parse(environments(live=settings)).environment("live")
    assert (live.deploys, live.is_observed) == (deploys, is_observed)


@pytest.mark.parametrize("services", [[], ["api"]])
def test_what_runs_before_a_deploy_is_a_service_that_runs_there(services: list[str]) -> None:
    """An environment runs all services, or those that it names."""
    live = {**COMPOSE, "services": services, "pre_deploy": MIGRATION}
    assert parse(environments(live=live)).environment("live").pre_deploy is not None


@pytest.mark.parametrize(
    ("settings", "elsewhere"),
    [
        ({}, ""),
        ({**COMPOSE, "host": "unix:///run/docker.sock"}, ""),
        ({**COMPOSE, "host": "ssh://live.example.org"}, "ssh://live.example.org"),
        (OBSERVED, "live"),
    ],
)
def test_what_others_may_reach_as_well(settings: dict[str, Any], elsewhere: str) -> None:
    """A cluster or another host is shared; a socket is this machine's own."""
    assert parse(environments(live=settings)).environment("live").elsewhere == elsewhere


def test_the_defaults_of_an_environment() -> None:
    """Its registry speaks TLS, and its pointers are kept."""
    live = parse(environments(live={})).environment("live")
    assert (live.insecure, live.pointers) == (False, True)


@pytest.mark.parametrize("name", ["-rf", "--push", "Api", "a b", "", "a/b", "a:b", "x" * 64])
@pytest.mark.parametrize("kind", ["services", "environments"])
def test_a_name_that_could_be_an_option_or_a_path_is_refused(kind: str, name: str) -> None:
    """Names that reach a command line or a tag are held to a grammar when they are read."""
    assert f"tool.buildonce.{kind}.{name}" in refusal(table(**{kind: {name: {}}}))


@pytest.mark.parametrize(
    "name", ["a..b", "a//b", "a/", "a.", "a.lock", "a.lock/b", "a/.b", ".a", "a@{b"]
)
def test_a_name_that_git_refuses_is_refused(name: str) -> None:
    """What no branch can be called is an error of the table, not one in the midst of a release."""
    assert f"tool.buildonce.ledger_branch = '{name}'" in refusal(table(ledger_branch=name))
    told = refusal(environments(live={"branches": [name]}))
    assert f"tool.buildonce.environments.live.branches.0 = '{name}'" in told


@pytest.mark.parametrize("name", ["main", "release/1.2", "a.locked", "x-/y_z"])
def test_a_name_that_git_takes_is_taken(name: str) -> None:
    """Dots, slashes and dashes are fine where git has nothing against them."""
    assert parse(table(ledger_branch=name)).ledger_branch == name


def test_dots_are_for_tags_and_stages_only() -> None:
    """Buildx takes no dot in a target's name, so no service has one; tags and stages may."""
    assert "tool.buildonce.services.a.b" in refusal(table(services={"a.b": {}}))
    parse({**service(target="a.b"), "environments": {"eu.live": {}}})


@pytest.mark.parametrize(
    ("written", "read"),
    [("fri 6:00", "Fri 06:00"), ("FRI 16:00", "Fri 16:00"), ("2026-1-2 3:04", "2026-01-02 03:04")],
)
def test_a_moment_is_kept_in_one_form(written: str, read: str) -> None:
    """However a moment is written, it reads the same, so that two of them can be compared."""
    end = "Sun 00:00" if read.startswith("Fri") else "2027-01-01 00:00"
    live = {"freeze": [{"start": written, "end": end}]}
    (window,) = parse(environments(live=live)).environment("live").freeze
    assert window.start == read


def test_a_freeze_that_is_empty_is_refused() -> None:
    """Two ways to write one moment are no window."""
    live = {"freeze": [{"start": "Fri 6:00", "end": "fri 06:00"}]}
    assert "end must come after start" in refusal(environments(live=live))


def test_variables_have_names_that_shells_take() -> None:
    """What a service's name may have and a variable's may not becomes an underscore."""
    assert image_variable("mail-out") == "BUILDONCE_IMAGE_MAIL_OUT"


def test_a_circle_of_environments_is_shown() -> None:
    """`after` that leads back to itself is told with the whole way round."""
    wrong = environments(a={"after": "b"}, b={"after": "c"}, c={"after": "a"})
    assert "a after b after c after a is a cycle" in refusal(wrong)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("registry", 3, "must be text"),
        ("reuse", "maybe", "must be true or false"),
        ("sha_length", "x", "must be a whole number"),
        ("sha_length", 99, "must be at most 40"),
        ("notify", "x", "must be a list"),
        ("services", [], "must be a table"),
        ("services", {}, "must not be empty"),
    ],
)
def test_a_wrong_kind_of_value_is_told_in_words(key: str, value: object, said: str) -> None:
    """What is written and what it must be, in TOML's terms, not in those of a library."""
    assert refusal(table(**{key: value})).splitlines()[1:] == [
        f"  tool.buildonce.{key} = {value!r}: {said}"
    ]


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to run it once for each mistake."""
    told = refusal(table(platform="linux", sha_length=1, zebra=1))
    assert len(told.splitlines()) == 4


def test_the_types_are_frozen() -> None:
    """A configuration that was read stays as it is."""
    project = parse(SMALLEST)
    with pytest.raises(ValueError, match="frozen"):
        project.registry = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["service", "environment"])
def test_an_unknown_name_is_told_with_the_known_ones(kind: str) -> None:
    """Asking for what is not configured names what was perhaps meant, and all there are."""
    project = parse(table(services={"worker": {}}, environments={"workers": {}}))
    with pytest.raises(UsageError) as caught:
        getattr(project, kind)("wroker")
    assert "perhaps you meant 'worker" in caught.value.message
    assert "worker" in caught.value.hint


def test_the_table_is_read_from_the_projects_folder(tmp_path: Path) -> None:
    """`pyproject.toml` beside tasks.py is where the table is."""
    (tmp_path / "pyproject.toml").write_text('[tool.buildonce]\nregistry = "ghcr.io/acme"\n')
    assert read_table(tmp_path) == {"registry": "ghcr.io/acme"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no"),
        ("", "has no table [tool.buildonce]"),
        ("[tool]\nbuildonce = 5\n", "has no table [tool.buildonce]"),
        ("tool = 3\n", "has no table [tool.buildonce]"),
        ("[tool.buildonce", ":1 is not TOML: Expected ']'"),
        (
            "[tool.buildonce]\nregistry = ghcr.io\n",
            ":2 is not TOML: Invalid value\n  registry = gh",
        ),
        ("[tool.buildonce]\n[tool.buildonce]\n", "Cannot declare tool.buildonce twice"),
        ("\ufeff[tool.buildonce]\n", "begins with a byte order mark"),
        ("[tool.build-once]\n", "; it has [tool.build-once]"),
        ("[buildonce]\n", "; it has [buildonce]"),
        ("[tools.buildonce]\n", "; it has [tools]"),
        ("[[tool.buildonce]]\n", ", but something else of that name"),
    ],
)
def test_a_file_without_a_table_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    """A missing file, a missing table and broken TOML are told apart, with the file's path."""
    if content is not None:
        (tmp_path / "pyproject.toml").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_table(tmp_path)
    assert told in caught.value.message
    assert str(tmp_path / "pyproject.toml") in caught.value.message


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_told(tmp_path: Path, encoding: str) -> None:
    """What to save it as is said, and no codec's name."""
    (tmp_path / "pyproject.toml").write_text("# ü\n", encoding=encoding)
    with pytest.raises(UsageError, match="is not UTF-8: its byte") as caught:
        read_table(tmp_path)
    assert "save it as UTF-8" in caught.value.hint


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """It is there, so the system's own reason is said."""
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UsageError, match=r"pyproject\.toml cannot be read: ") as caught:
        read_table(tmp_path)
    assert caught.value.hint == "restore it, or correct its rights"


@pytest.mark.parametrize("key", ["default", "deploy=/home/dana/.ssh/deploy"])
def test_an_ssh_key_is_kept_as_it_is_named(key: str) -> None:
    """By its name alone, or with the path of one socket or key."""
    assert parse(service(ssh=[key])).service("api").ssh == (key,)


def test_tabs_and_line_ends_of_any_kind_are_read(tmp_path: Path) -> None:
    """TOML takes tabs between words, and both kinds of line ends."""
    (tmp_path / "pyproject.toml").write_bytes(b'\t[tool.buildonce]\r\n\tregistry\t=\t"r.io"\r\n')
    assert read_table(tmp_path) == {"registry": "r.io"}


def _keys() -> Iterator[tuple[type[BaseModel], tuple[str, ...], str]]:
    """Every key of every table, with where a table of its kind lies."""
    staging = ("environments", "staging")
    tables: dict[tuple[str, ...], type[BaseModel]] = {
        (): Project,
        ("services", "api"): Service,
        ("services", "api", "secrets", "x"): BuildSecret,
        ("prune",): Prune,
        staging: Environment,
        (*staging, "pre_deploy"): PreDeploy,
    }
    return ((model, path, key) for path, model in tables.items() for key in model.model_fields)


WRONG: tuple[Any, ...] = (
    5.5,
    "5 parsecs",
    "a b",
    [5],
    {"x": 5},
    float("nan"),
    date(2026, 1, 1),
    "",
    [],
    {},
    True,
)
OF_A_LIBRARY = ("Input", "valid ", "datetime", "pattern", "instance", "Error", "pydantic", "string")


@pytest.mark.parametrize(
    ("path", "key"),
    [pytest.param(path, key, id=".".join((*path, key))) for _, path, key in _keys()],
)
def test_whatever_is_written_the_words_are_ours(path: tuple[str, ...], key: str) -> None:
    """A value of a wrong kind, for every key there is: its path, and nothing of a library."""
    for value in WRONG:
        wrong: dict[str, Any] = {"registry": "ghcr.io/acme", "services": {"api": {}}}
        place = wrong
        for part in path:
            place = place.setdefault(part, {})
        place[key] = value
        with suppress(UsageError):
            parse(wrong)
            continue
        told = refusal(wrong)
        assert ".".join(("tool.buildonce", *path)) in told
        assert not [word for word in OF_A_LIBRARY if word in told], told


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (table(platform=5), ["  tool.buildonce.platform = 5: must be text, or a list of texts"]),
        (
            table(registry="ghcr.io/Acme"),
            ["tool.buildonce.registry = 'ghcr.io/Acme': must be a registry, and a path in it"],
        ),
        (
            environments(live={"registry": "a b"}),
            ["tool.buildonce.environments.live.registry = 'a b': must be a registry"],
        ),
        (environments(live={"timeout": "5 parsecs"}), ["'5 parsecs': must look like '30m'"]),
        (environments(live={"file": "compose.yaml"}), ["live: file, project and host: need"]),
        (
            environments(live={"engine": "compose", "variables": {"A": "x" * 200}}),
            ["environments.live: engine 'compose' needs `file` and `project`"],
        ),
        (table(services={"Mail Sender": {}}), ["; perhaps you meant 'mail-sender'"]),
        (table(bases=["x" * 200]), [f"bases = ['{'x' * 78}…: must be a table"]),
    ],
)
def test_a_problem_is_one_line_that_says_what_to_write(
    wrong: dict[str, Any], told: list[str]
) -> None:
    """Neither twice, nor with a whole table in it, nor of another key than the one to change."""
    lines = refusal(wrong).splitlines()[1:] or refusal(wrong).splitlines()
    assert len(lines) == len(told)
    assert all(part in line for part, line in zip(told, lines, strict=True))


def test_the_schema_describes_every_key() -> None:
    """Editors get a valid JSON Schema with a sentence for each key."""
    schema = Project.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    tables = [schema, *schema["$defs"].values()]
    for keys in (one["properties"] for one in tables if "properties" in one):
        undescribed = [name for name, key in keys.items() if "description" not in key]
        assert undescribed in ([], ["start", "end", "timezone"])


def test_the_schema_agrees_with_the_code() -> None:
    """What the code accepts the schema accepts, and a misspelt key neither."""
    validator = jsonschema.Draft202012Validator(Project.model_json_schema())
    validator.validate(SMALLEST)
    validator.validate(environments(staging={}, production={"after": "staging", "soak": "30m"}))
    assert not validator.is_valid(table(registri="x"))
    assert not validator.is_valid(service(dockerfil="x"))
    assert not validator.is_valid({"registry": "ghcr.io"})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"services": {"Mail": {}}}, "must be lower-case letters and digits"),
        ({"environments": {"Live": {}}}, "must be lower-case letters and digits"),
        ({"platform": "linux"}, "must look like 'linux/amd64'"),
        ({"ledger_branch": "-x"}, "must be letters, digits"),
    ],
    ids=["service", "environment", "platform", "branch"],
)
def test_a_name_that_is_not_allowed_is_explained_in_words(
    wrong: dict[str, object], words: str
) -> None:
    """No regular expression reaches a person: what may be in a name is said."""
    told = refusal(table(**wrong))
    assert words in told
    assert "pattern" not in told


def test_an_image_has_one_stand_in() -> None:
    """Two keys of `bases` that mean the same image are refused: neither would be sure to count."""
    names = {"python": "mirror.example/a", "docker.io/library/python:latest": "mirror.example/b"}
    assert "are both docker.io/library/python:latest" in refusal(table(bases=names))
