"""Variables of a Compose file, as Compose reads them."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.composefile import (
    contents,
    fill,
    names_in,
    required_variables,
    shared,
    source_variables,
    used,
)


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("$A ${B} ${C:?must be set} $$D ${E:-e}", "", "ABC"),
        ("${A:-${B}}", "", "B"),
        ("${A:-${B}}", "A", ""),
        ("${A:-${B:-${C}}}", "", "C"),
        ("${A:-${B:-c}}", "", ""),
        ("${A:+${B}}", "", ""),
        ("${A:+${B}}", "A", "B"),
        ("${A:-x}/${B}", "", "B"),
    ],
)
def test_a_default_counts_where_it_is_used(text: str, given: str, expected: str) -> None:
    """What a default needs itself is required as long as nothing sets the variable before it."""
    assert required_variables(text, set(given)) == set(expected)


def test_every_name_is_found() -> None:
    """Variables in defaults are variables as well; a doubled dollar is none."""
    assert list(names_in("${A:-${B:-$C}} $$D $E")) == ["A", "B", "C", "E"]


def test_variables_in_defaults_are_filled_in() -> None:
    """What is written for a variable reaches it inside another one's default."""
    assert fill("${A:-${B}} $B $$B", {"B": "b"}.get) == "${A:-b} b $$B"
    assert fill("${A:-${B}} x", {"A": "a"}.get) == "a x"


@pytest.mark.parametrize(
    ("service", "kind", "names"),
    [
        ({}, "networks", {"default"}),
        ({"networks": ["front"]}, "networks", {"front"}),
        ({"networks": {"front": None}}, "networks", {"front"}),
        ({"network_mode": "host"}, "networks", set()),
        ({}, "volumes", set()),
        ({"volumes": ["data"]}, "volumes", {"data"}),
        ({"volumes": [{"type": "volume", "source": "data"}]}, "volumes", {"data"}),
        ({"volumes": [{"type": "bind", "source": "/srv"}]}, "volumes", set()),
        ({"volumes": [{"type": "volume", "target": "/scratch"}]}, "volumes", set()),
        ({"configs": [{"source": "app"}, "tls"]}, "configs", {"app", "tls"}),
        ({"secrets": None}, "secrets", set()),
    ],
)
def test_what_a_service_uses(service: dict[str, Any], kind: str, names: set[str]) -> None:
    """A service is in the default network unless it says otherwise; paths are no volumes."""
    assert used({"services": {"web": service}}, kind) == names


def test_what_is_said_of_all_that_a_service_uses() -> None:
    """Networks, volumes, configs and secrets of that service alone, known to the model or not."""
    model = {
        "networks": {"front": {"external": True}, "back": {}},
        "volumes": {"data": {"driver": "local"}},
        "secrets": None,
    }
    service = {"networks": ["front"], "volumes": ["data"], "secrets": [{"source": "key"}]}
    assert shared(service, model) == {
        "networks": {"front": {"external": True}},
        "volumes": {"data": {"driver": "local"}},
        "configs": {},
        "secrets": {"key": None},
    }


SHARED = {
    "configs": {
        "app": {"content": "price = 5"},
        "flags": {"environment": "FLAGS"},
        "elsewhere": {"external": True},
        "empty": None,
    },
    "secrets": {"key": {"environment": "KEY"}, "file": {"file": "/etc/key"}},
}


def test_the_variables_that_configs_and_secrets_are_read_from() -> None:
    """Those that some service is given; a secret that nobody uses needs no value."""
    service = {"configs": ["app", "flags", "elsewhere", "empty"], "secrets": ["file"]}
    assert source_variables({"services": {"web": service}, **SHARED}) == {"FLAGS"}
    assert source_variables({"services": {"web": {"secrets": ["key"]}}, **SHARED}) == {"KEY"}
    assert source_variables({"services": {"web": None}}) == set()


def test_what_a_service_is_given_by_configs_and_secrets() -> None:
    """What is written, and the values of variables; what lies elsewhere cannot be read here."""
    names = {"configs": ["flags", "app", "elsewhere", "empty", "gone"], "secrets": ["key", "file"]}
    service = {kind: [{"source": name} for name in some] for kind, some in names.items()}
    assert contents(service, SHARED, {"KEY": "hunter2"}) == [
        "configs app price = 5",
        "configs flags ",
        "secrets key hunter2",
    ]
    assert contents({"configs": None}, {}, {}) == []
