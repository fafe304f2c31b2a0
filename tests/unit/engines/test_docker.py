"""The docker client: what it is told, what is made of its answers, and what it never shows."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker, Expired, Refused, printable
from buildonce.engines.pulling import pull
from buildonce.engines.secrets import mask
from buildonce.errors import IntegrityError, UnavailableError
from buildonce.refs import Digest, Repository
from tests.kit.samples import digest, files

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]

REF = Repository("r.example", "web").at(Digest("sha256:" + "a" * 64))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that is a script; without one it succeeds and says nothing."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    play(tmp_path, "")
    return tmp_path


def play(folder: Path, script: str) -> None:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def docker(host: str = "") -> Docker:
    return Docker(Target("production", "compose", host, "shop"))


@pytest.mark.parametrize(
    ("host", "aimed"),
    [
        ("", "docker pull"),
        ("ssh://deploy@h", "docker --host ssh://deploy@h pull"),
        ("unix:///run/d.sock", "docker --host unix:///run/d.sock pull"),
        ("far", "docker --context far pull"),
    ],
)
def test_a_target_aims_the_client(client: Path, host: str, aimed: str) -> None:
    """A URL is a host and anything else a context; the line is what a person would type."""
    assert docker(host).line("pull", "a b") == f"{aimed} 'a b'"


def test_a_call_gets_its_input_and_variables(client: Path) -> None:
    """The definition goes in by standard input, settings by the environment."""
    play(client, 'echo "$1 $SHOP $(cat)"')
    output = docker().run("up", text="services", variables={"SHOP": "open"})
    assert output == "up open services\n"


def test_an_isolated_call_sees_nothing_of_the_process(
    client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a commit's files say must not depend on who reads them; `.env` files are not read."""
    play(client, 'echo "$SHOP $COMPOSE_DISABLE_ENV_FILE"')
    monkeypatch.setenv("SHOP", "open")
    assert docker().run("config", isolated=True) == " 1\n"
    assert docker().run("config") == "open 1\n"


def test_composes_settings_of_this_machine_are_left_out(
    client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile or a project of whoever deploys is not the release's; a configured one is."""
    play(client, 'echo "$COMPOSE_PROFILES $COMPOSE_PARALLEL_LIMIT"')
    monkeypatch.setenv("COMPOSE_PROFILES", "mine")
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", "4")
    assert docker().run("up") == " 4\n"
    assert docker().run("up", variables={"COMPOSE_PROFILES": "own"}) == "own 4\n"


def test_a_refusal_has_the_clients_last_word(client: Path) -> None:
    """Of all that a failing client prints, the last line is the reason, without its colours."""
    play(client, r'[ $1 = version ] || { printf "noise\n\033[31mno\033[0m\n" >&2; exit 3; }')
    with pytest.raises(Refused) as refused:
        docker().run("up")
    assert (refused.value.complaint, refused.value.log) == ("no", ("noise", "no"))


def test_a_call_ends_at_its_limit(client: Path) -> None:
    """A client that hangs is ended and refused, where the engine answers otherwise."""
    play(client, "[ $1 = version ] || exec sleep 60")
    with pytest.raises(Refused, match="no end after 0 s"):
        docker().run("up", limit=0.3)


def test_a_client_does_not_outlive_its_caller(client: Path) -> None:
    """Whatever ends the caller's block, an interruption above all, ends the client too."""
    play(client, "exec sleep 60")
    with pytest.raises(KeyboardInterrupt), docker().started("up") as started:
        raise KeyboardInterrupt
    assert started.code is not None


def test_an_engine_that_is_silent_is_another_matter(client: Path) -> None:
    """A call that fails because no engine answers names the target and how to look at it."""
    play(client, 'echo "Cannot connect to the daemon" >&2; exit 1')
    with pytest.raises(UnavailableError) as silent:
        docker("ssh://h").run("up")
    assert silent.value.message == (
        "the engine of production (ssh://h) does not answer: Cannot connect to the daemon"
    )
    assert silent.value.hint.startswith("docker --host ssh://h version")


@pytest.mark.parametrize(
    "call",
    [lambda: docker().require_answer(), lambda: docker().inspect("image", ["a"])],
    ids=["version", "inspect"],
)
def test_an_engine_that_takes_too_long_is_silent(
    client: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]
) -> None:
    """A question that comes to no end is no answer."""
    play(client, "exec sleep 60")
    monkeypatch.setattr("buildonce.engines.docker.CALL", 0.2)
    with pytest.raises(UnavailableError, match="does not answer: no answer within"):
        call()


def test_what_compose_reads_is_its_own_matter(client: Path) -> None:
    """A refusal of Compose's to read a file is told as one, whether or not an engine answers."""
    play(client, 'case "$*" in "compose config --format json -q") echo bad >&2; esac; exit 1')
    with pytest.raises(Refused) as refused:
        docker().config(options=["-q"])
    assert refused.value.complaint == "bad"


def test_reading_a_file_comes_to_an_end(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that hangs on a file is ended and refused."""
    play(client, "exec sleep 60")
    monkeypatch.setattr("buildonce.engines.docker.CALL", 0.2)
    with pytest.raises(Expired, match="no end after"):
        docker().config()


def test_nothing_is_asked_about_nothing(client: Path) -> None:
    """An inspection of no object is no call."""
    play(client, "exit 1")
    assert docker().inspect("image", []) == []


def test_the_end_of_a_log_is_what_can_be_had(client: Path) -> None:
    """The last lines of both streams, also of a client that fails."""
    play(client, 'seq 30; echo "$*" >&2; exit 1')
    assert docker().log_tail("logs", "web") == [*map(str, range(12, 31)), "logs web --tail 20"]


def test_a_machine_without_docker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no client there is no engine to reach."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="no docker client"):
        docker().run("version")


def test_inspect_leaves_out_what_is_gone(client: Path) -> None:
    """An object that vanished meanwhile is not in the answer, and is no error."""
    play(client, '[ $1 = version ] || { echo "[{\\"Id\\": \\"a\\"}]"; exit 1; }')
    assert docker().inspect("container", ["a", "b"]) == [{"Id": "a"}]


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("no basic auth credentials", UnavailableError, "the registry wants credentials"),
        ("unauthorized: authentication required", UnavailableError, "wants credentials"),
        ("pull access denied for web", UnavailableError, "wants credentials"),
        ("manifest for web not found: manifest unknown", IntegrityError, "no longer has it"),
        ("failed to resolve reference web: web: not found", IntegrityError, "no longer has it"),
        ("connect: connection refused", UnavailableError, "connection refused"),
    ],
)
def test_why_an_image_cannot_be_pulled(
    client: Path, said: str, error: type[Exception], words: str
) -> None:
    """Missing credentials, a missing image and a silent registry are three different things."""
    play(client, f'case $1 in pull) echo "{said}" >&2; exit 1;; inspect) exit 1;; esac')
    with pytest.raises(error, match=words) as failed:
        pull(docker(), {"web": REF})
    assert f"web: production (the local engine) cannot pull {REF}" in str(failed.value)


def test_what_an_engine_has_is_not_pulled(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose images are there needs no registry: a way back that always works."""
    play(client, 'case $1 in pull) exit 1;; inspect) echo "$SAID";; esac')
    monkeypatch.setenv("SAID", json.dumps([{"RepoDigests": ["other@" + digest("b"), str(REF)]}]))
    pull(docker(), {"web": REF})


def test_control_characters_do_not_reach_a_terminal() -> None:
    """A log can neither colour, move nor retitle the terminal that it is shown on."""
    assert printable("a\x1b[2Jb\x07\r\nc\td\x00") == "ab\nc\td"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    (tmp_path / "password").write_text("hunter22\n")
    return Deployment(
        target=Target("production", "compose", project="shop"),
        sha="0" * 12,
        files=files(),
        bundle="image: $BUILDONCE_IMAGE_WEB\nlevel: ${LEVEL} ${TOKEN} mode: public",
        images={"web": REF},
        variables={"LEVEL": "debugging"},
    )


def test_values_that_reach_containers_are_masked(
    client: Path, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of the process, environment files and secret files are taken out of a text."""
    resolved = {
        "services": {"web": {"environment": {"KEY": "from-a-file", "MODE": "public"}}},
        "secrets": {"password": {"file": str(tmp_path / "password")}},
    }
    play(client, f"cat >/dev/null; echo '{json.dumps(resolved)}'")
    monkeypatch.setenv("TOKEN", "t0ken")
    text = "t0ken, from-a-file, hunter22, public, debugging"
    assert mask(text, Definition(deployment, docker())) == "***, ***, ***, public, debugging"


def test_each_line_of_a_value_is_masked(
    client: Path, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that shows one line of a key at a time does not give the key away."""
    resolved = {"services": {"web": {"environment": {"KEY": "first-1\nsecond-2"}}}}
    play(client, f"cat >/dev/null; printf '%s' '{json.dumps(resolved)}'")
    monkeypatch.setenv("TOKEN", "third-3\nfourth-4\n")
    text = "second-2, first-1, fourth-4, third-3"
    assert mask(text, Definition(deployment, docker())) == "***, ***, ***, ***"


def test_a_variable_without_a_value_masks_nothing(client: Path, deployment: Deployment) -> None:
    """A variable that a container only passes on has no value, not the value "None"."""
    resolved = {"services": {"web": {"environment": {"KEY": None}}}}
    play(client, f"cat >/dev/null; echo '{json.dumps(resolved)}'")
    assert mask("None of them", Definition(deployment, docker())) == "None of them"


def test_variables_are_masked_even_where_the_definition_cannot_be_read(
    client: Path, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A definition that Compose refuses still gives away which variables are secret."""
    play(client, "[ $1 = version ] || { cat >/dev/null; exit 1; }")
    monkeypatch.setenv("TOKEN", "t0ken")
    assert mask("bad value t0ken", Definition(deployment, docker())) == "bad value ***"
