"""The kubectl client: what it is told, what is made of its answers, and how it fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.errors import BuildonceError, PreconditionError, UnavailableError
from tests.kit.recorded_kubectl import TARGET

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]

KUBECTL = Kubectl(TARGET)
PLACE = "production (lab/shop)"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the `kubectl` is that these tests start."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path / "kubectl"


def play(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def failing(program: Path, complaint: str) -> BuildonceError:
    """The error for a call that fails with these words."""
    program.with_name("complaint").write_text(complaint)
    play(program, f"cat {program.with_name('complaint')} >&2; exit 1")
    with pytest.raises(BuildonceError) as failed:
        KUBECTL.run("get", "pods")
    return failed.value


def test_a_call_is_aimed_at_context_and_namespace(program: Path) -> None:
    """Whatever the client's own present context is; the input goes in as it is."""
    play(program, 'echo "$@"; cat')
    assert KUBECTL.run("apply", "-f", "-", text="some: thing") == (
        "--context=lab --namespace=shop --request-timeout=60s apply -f -\nsome: thing"
    )
    assert KUBECTL.line("logs", "a b") == "kubectl --context=lab --namespace=shop logs 'a b'"


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("""echo '{"items": [{"name": "a"}, {"name": "b"}], "kind": "List"}'""", ["a", "b"]),
        ("""echo '{"name": "a"}'""", ["a"]),
        ("""printf '{"name": "a"}\n{"name": "b"}\n'""", ["a", "b"]),
        ("", []),
    ],
)
def test_objects_are_read_however_they_are_printed(
    program: Path, script: str, names: list[str]
) -> None:
    """As a list, alone, one after the other, or none."""
    play(program, script)
    assert [one["name"] for one in KUBECTL.items("get", "pods")] == names
    assert (KUBECTL.item("get", "pods") or {}).get("name") == (names[0] if names else None)


def test_a_machine_without_kubectl_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing, not which file was not found."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PreconditionError, match="there is no kubectl on this machine"):
        KUBECTL.run("version")


def test_a_call_that_does_not_end_is_an_api_that_does_not_answer(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that hangs is ended."""
    monkeypatch.setattr("buildonce.engines.kubernetes.kubectl._GRACE", 0.0)
    play(program, "exec sleep 60")
    with pytest.raises(UnavailableError) as silent:
        KUBECTL.run("get", "pods", limit=0.3)
    assert silent.value.message == (
        f"the Kubernetes API of {PLACE} does not answer: no answer within 0 s"
    )


def test_a_context_that_is_not_configured_is_named(program: Path) -> None:
    """It is a matter of this machine's configuration."""
    error = failing(program, 'error: context "lab" does not exist')
    assert isinstance(error, PreconditionError)
    assert error.message == "production: kubectl has no context 'lab'"


@pytest.mark.parametrize(
    "complaint",
    [
        "Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout",
        "The connection to the server localhost:6443 was refused - is the host right?",
        "Error from server (ServiceUnavailable): apiserver not ready",
        "Error from server: etcdserver: leader changed",
        'Get "https://10.0.0.1:6443/api": EOF\n',
    ],
)
def test_a_silent_api_is_told_by_its_last_words(program: Path, complaint: str) -> None:
    """Such a call may be made again; the hint is how to look at it."""
    error = failing(program, f"E1130 memcache.go:265] noise\n\033[31m{complaint}")
    assert not isinstance(error, Refused)
    assert isinstance(error, UnavailableError)
    assert error.message == (f"the Kubernetes API of {PLACE} does not answer: {complaint.strip()}")
    assert error.hint.startswith("kubectl --context=lab --namespace=shop version ")


def test_a_caller_that_nobody_knows_is_told_to_log_in(program: Path) -> None:
    """A login that has ended is no missing right."""
    error = failing(program, "error: You must be logged in to the server (Unauthorized)")
    assert isinstance(error, UnavailableError)
    assert error.message.startswith(f"{PLACE} rejected the credentials: error: You must be")
    assert error.hint == "log in, then: kubectl --context=lab --namespace=shop auth whoami"


@pytest.mark.parametrize(
    ("complaint", "told", "forbidden"),
    [
        ('Error from server (NotFound): namespaces "shop" not found', "", False),
        ('Error from server (Forbidden): pods is forbidden: "credentials"', "", True),
        ('configmaps "a" is forbidden: User "dana" cannot get resource', "", True),
        (" \n", "no reason given", False),
    ],
)
def test_a_refusal_has_the_api_servers_words(
    program: Path, complaint: str, told: str, forbidden: bool
) -> None:
    """It says whether a right is missing, whatever else its words are about."""
    error = failing(program, complaint)
    assert isinstance(error, Refused)
    assert error.complaint == (told or complaint)
    assert error.forbidden is forbidden


def test_the_end_of_a_log_is_had_as_far_as_possible(program: Path) -> None:
    """Without empty lines and colours; a log that cannot be had is empty, and no failure."""
    play(program, r'printf "$4 $5 $6\n\n \033[31mlast\033[0m \n"')
    assert KUBECTL.tail("api-1", "--previous", lines=7) == ["logs --tail=7 api-1", " last"]
    play(program, "echo 'unable to connect to the server' >&2; exit 1")
    assert KUBECTL.tail("api-1", lines=7) == []
