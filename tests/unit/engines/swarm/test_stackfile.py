"""Stack files: what Compose makes of a service, as ``docker stack`` takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from buildonce.engines.swarm.stackfile import plain_service, stack_file, with_files

PORT = {"mode": "ingress", "target": 80, "protocol": "tcp"}


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ({**PORT, "published": "8080"}, {**PORT, "published": 8080}),
        ({**PORT, "published": "8080-8081"}, "8080-8081:80/tcp"),
        (PORT, PORT),
        ("${PORT}:80", "${PORT}:80"),
        ({**PORT, "published": "${PORT}"}, {**PORT, "published": "${PORT}"}),
    ],
)
def test_a_published_port_is_a_number(written: object, port: object) -> None:
    """Compose writes it as a string, which ``docker stack`` refuses; variables stay."""
    assert plain_service({"ports": [written]}) == {"ports": [port]}


def test_a_device_is_a_string() -> None:
    """As it was written, and not in the parts that Compose takes it into."""
    device = {"source": "/dev/a", "target": "/dev/b", "permissions": "rwm"}
    assert plain_service({"devices": [device]}) == {"devices": ["/dev/a:/dev/b:rwm"]}
    assert plain_service({"devices": ["/dev/a"]}) == {"devices": ["/dev/a"]}


def test_volumes_are_without_what_compose_alone_knows() -> None:
    """An option of Compose's own is left out, and with it a table that has no other."""
    bind = {"type": "bind", "source": "/a", "target": "/b"}
    volumes = [
        "data:/data",
        {**bind, "bind": {"create_host_path": True}},
        {**bind, "bind": {"create_host_path": True, "propagation": "rshared"}},
        {"type": "volume", "source": "data", "target": "/c"},
    ]
    assert plain_service({"volumes": volumes, "depends_on": ["store"]}) == {
        "volumes": [
            "data:/data",
            bind,
            {**bind, "bind": {"propagation": "rshared"}},
            {"type": "volume", "source": "data", "target": "/c"},
        ]
    }


def named(configs: dict[str, Any]) -> dict[str, Any]:
    bundle = yaml.safe_dump({"services": {"web": None}, "configs": configs})
    found: dict[str, Any] = yaml.safe_load(stack_file(bundle, "shop"))
    assert found["services"] == {"web": {}}
    return found["configs"]  # type: ignore[no-any-return]


def test_a_config_is_named_by_its_content() -> None:
    """Another content is another config; one that has a name, or no content, keeps its own."""
    one, other = (named({"site": {"content": text}})["site"] for text in ("a", "b"))
    assert one["name"].startswith("shop_site_")
    assert one["name"] != other["name"]
    kept = {"site": {"content": "a", "name": "mine"}, "theirs": {"external": True}}
    assert named(kept) == kept


def test_a_bundle_may_have_neither_services_nor_configs() -> None:
    """Then the stack file has none either."""
    assert yaml.safe_load(stack_file("name: shop", "shop")) == {"name": "shop", "services": {}}


def test_contents_are_files_for_as_long_as_they_are_read() -> None:
    """The client reads configs from files; a doubled dollar is one, as Compose has it."""
    configs = {"site": {"content": "a $$ b", "name": "site_1"}, "theirs": {"external": True}}
    with with_files(yaml.safe_dump({"configs": configs}), dict, "shop") as text:
        given = yaml.safe_load(text)["configs"]
        file = Path(given["site"].pop("file"))
        assert file.read_text() == "a $ b"
        assert given == {"site": {"name": "site_1"}, "theirs": {"external": True}}
    assert not file.exists()


def secrets(resolved: dict[str, Any]) -> dict[str, Any]:
    """The secrets of a stack file whose variables have values: of each file, and with a name."""
    key = {"file": "${KEY_FILE}"}
    model = {"secrets": {"key": key, "own": {**key, "name": "own"}, "none": None, "theirs": {}}}
    with with_files(yaml.safe_dump(model), lambda: resolved, "shop") as text:
        found: dict[str, Any] = yaml.safe_load(text)["secrets"]
    return found


def test_a_secret_is_named_by_what_is_in_its_file_now(tmp_path: Path) -> None:
    """Another content is another secret, where the file has no name of its own for it."""
    file = tmp_path / "key"
    resolved = {"secrets": {name: {"file": str(file)} for name in ("key", "own", "theirs")}}
    names = []
    for content in ("one", "two"):
        file.write_text(content)
        found = secrets(resolved)
        names.append(found["key"]["name"])
        assert found["own"]["name"] == "own"
        assert (found["none"], found["theirs"]) == (None, {})
    assert names[0] != names[1]
    assert all(name.startswith("shop_key_") and len(name) == 21 for name in names)


@pytest.mark.parametrize("resolved", [{}, {"secrets": None}, {"secrets": {"key": None}}])
def test_a_secret_whose_file_is_not_known_stays(tmp_path: Path, resolved: dict[str, Any]) -> None:
    """Where no value is known, or no file is there, the client has the last word."""
    for known in (resolved, {"secrets": {"key": {"file": str(tmp_path / "nothing")}}}):
        assert secrets(known)["key"] == {"file": "${KEY_FILE}"}
