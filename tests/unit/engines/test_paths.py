"""Paths of the repository in a Compose file, which no host has."""

from typing import Any

import pytest

from buildonce.engines.paths import (
    has_variable_paths,
    is_relative,
    is_repository_mount,
    mount,
    relative_paths,
)


def short(source: str, **more: Any) -> dict[str, Any]:
    """A mount in the short form, as Compose prints it with variables left in."""
    return {"type": "volume", "source": source, "target": "/x", "volume": {}, **more}


def bind(source: str, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": "/x", "bind": more}


@pytest.mark.parametrize(
    "volume",
    [
        bind("./conf"), bind("conf"), bind("./conf/${X}"), bind("~/conf"), bind("conf/${X}"),
        bind("${DIR:-conf}"), short("${DIR:-./conf}"), short("${A:-${B:-../conf}}"),
        short("${DIR-~/conf}"),
    ],
)  # fmt: skip
def test_a_path_of_the_repository_is_refused_however_it_is_written(volume: dict[str, Any]) -> None:
    """A variable inside the path, or before it, does not make it a path of the host."""
    assert is_repository_mount(volume)


@pytest.mark.parametrize(
    "volume",
    [bind("/srv"), bind("/srv/${X}"), bind("${DIR}"), bind("${DIR:-/srv}"), short("data")]
    + [short("${DATA:-/srv}/y"), short("${DATA:-data}"), short("data_${X}"), short("${DATA:?}")],
)
def test_volumes_and_paths_of_the_host_are_allowed(volume: dict[str, Any]) -> None:
    """What may be a volume or an absolute path is left to the variable's value."""
    assert not is_repository_mount(volume)


@pytest.mark.parametrize(
    ("volume", "written"),
    [
        (short("${DATA}"), "${DATA}:/x"),
        (short("${D}", read_only=True, bind={"selinux": "z"}), "${D}:/x:ro,z"),
        (short("${D}", volume={"nocopy": True}), "${D}:/x:nocopy"),
        ({"type": "volume", "target": "${WHOLE}", "volume": {}}, "${WHOLE}"),
    ],
)
def test_a_source_that_may_be_a_path_stays_in_the_short_form(
    volume: dict[str, Any], written: str
) -> None:
    """Compose decides once the variable has its value; no option is lost."""
    assert mount(volume) == written


@pytest.mark.parametrize(
    "volume",
    [
        bind("${D}", create_host_path=False, propagation="rshared"),
        short("${D}", volume={"subpath": "a"}),
        short("${D}", consistency="cached"),
        short("data_${X}"),
        bind("/srv") | {"target": "${X}"},
    ],
)
def test_what_has_no_short_form_keeps_its_options(volume: dict[str, Any]) -> None:
    """A long form with options of its own says itself whether it is a volume or a path."""
    assert mount(volume) is volume


def test_a_relative_value_is_found_once_it_is_known() -> None:
    """Where relative paths begin nowhere, what begins there is one."""
    mounted = {"web": {"volumes": [bind("/a-release-has-no-folder/conf"), bind("/srv")]}}
    secrets = {"pw": {"file": "/a-release-has-no-folder/pw"}, "tls": {"file": "/etc/tls"}}
    found = list(relative_paths({"services": mounted, "secrets": secrets}))
    assert found == ["web mounts conf", "the secret pw is the file pw"]


def test_the_file_of_a_secret_by_its_default() -> None:
    """A default that begins in the repository is refused; a bare variable waits for its value."""
    assert is_relative("${F:-./pw}")
    assert not is_relative("${F}")
    assert not is_relative("")


@pytest.mark.parametrize(
    ("service", "secret", "variable"),
    [
        ({"volumes": [bind("/srv/${X}")]}, {"file": "/etc/key"}, True),
        ({"volumes": [bind("/srv"), {"type": "volume", "target": "$X"}]}, {}, True),
        ({"volumes": [bind("/srv")]}, {"file": "${KEY_FILE}"}, True),
        ({"volumes": [bind("/srv")]}, {"file": "/etc/key", "name": "$X"}, False),
        ({"environment": {"X": "$X"}}, {"environment": "KEY"}, False),
        ({"volumes": None}, {}, False),
        (None, {}, False),
    ],
)
def test_paths_may_take_variables_to_know(
    service: dict[str, Any] | None, secret: dict[str, Any], variable: bool
) -> None:
    """Those of mounts and of secrets' files; variables elsewhere make no path."""
    model = {"services": {"web": service}, "secrets": {"key": secret}}
    assert has_variable_paths(model) is variable
    assert has_variable_paths({"services": None, "secrets": None}) is False
