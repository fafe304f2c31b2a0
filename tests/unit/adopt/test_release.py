"""The Compose file that is proposed for releases: nothing in it needs the checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildonce.adopt.proposal import Proposal, propose
from buildonce.adopt.survey import Survey

DOCKERFILE = "FROM x\nWORKDIR /srv\nCOPY package.json .\nCOPY src ./lib\nCOPY assets/*.css /css/\n"
FILES = {
    "web/Dockerfile": DOCKERFILE,
    "web/package.json": "{}\n",
    "web/src/main.js": "",
    "conf/nginx.conf": "server {}\n",
    "conf/tls/key.pem": "key\n",
    "data.bin": "\0",
}


def proposed(web: Mapping[str, Any], files: Mapping[str, str] = FILES, **top: Any) -> Proposal:
    compose = {"services": {"web": {"build": "./web", **web}}, **top}
    there = {**files, "compose.yaml": yaml.safe_dump(compose)}
    root = Path("/nowhere/shop")
    return propose(Survey(root, tuple(sorted(there)), "origin", "https://github.com/a/b", there))


def released(proposal: Proposal) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(proposal.files["compose.release.yaml"])
    return document


@pytest.mark.parametrize(
    "volume",
    [
        "./web/src:/srv/lib",
        "./web/src/main.js:/srv/lib/main.js:ro",
        "./web:/srv",
        {"type": "bind", "source": "./web/src", "target": "/srv/lib/"},
    ],
)
def test_what_the_image_has_is_not_mounted(volume: object) -> None:
    """Sources that are mounted where the Dockerfile copies them are for development."""
    made = proposed({"volumes": [volume, "data:/data", "/srv/node_modules", "/tmp/x"]})
    kept = released(made)["services"]["web"]["volumes"]
    assert kept in (
        ["data:/data", "/srv/node_modules", "/tmp/x"],
        ["data:/data", "/tmp/x"],
    )
    assert ("/srv/node_modules" in kept) == (volume != "./web:/srv")
    assert "configs" not in released(made)
    assert any("its image has it there" in one for one in made.decisions)


def test_files_are_mounted_as_configs() -> None:
    """A folder of text becomes a config for each file, at the same place in the container."""
    made = proposed({"volumes": ["./conf:/etc/nginx:ro"], "configs": ["other"]})
    document = released(made)
    assert "volumes" not in document["services"]["web"]
    assert document["services"]["web"]["configs"] == [
        "other",
        {"source": "conf-nginx-conf", "target": "/etc/nginx/nginx.conf"},
        {"source": "conf-tls-key-pem", "target": "/etc/nginx/tls/key.pem"},
    ]
    assert document["configs"] == {
        "conf-nginx-conf": {"file": "./conf/nginx.conf"},
        "conf-tls-key-pem": {"file": "./conf/tls/key.pem"},
    }
    assert any("as `configs`" in one for one in made.decisions)


@pytest.mark.parametrize(
    "source", ["./data", "./data.bin", "./${WHERE}/conf", "../outside", "./many", "./web/src"]
)
def test_what_cannot_travel_is_left_and_said(source: str) -> None:
    """Data, what is no text or too much, and paths that are not known stay for a person."""
    many = {f"many/{number}": "" for number in range(21)}
    web = {"volumes": [f"{source}:/elsewhere"]}
    made = proposed(web, {**FILES, **many, "web/src/x.bin": "\0"})
    assert released(made)["services"]["web"]["volumes"] == web["volumes"]
    assert any("hosts do not have it" in one for one in made.decisions)


@pytest.mark.parametrize("name", ["app.env", "app.env.example"])
def test_variables_of_a_file_that_git_does_not_have(name: str) -> None:
    """They are asked for by name, those that are given there win, and no value is written."""
    web = {"env_file": ["conf/app.env", "conf/known.env"], "environment": ["B=own"]}
    files = {**FILES, "conf/known.env": "C=1\n", f"conf/{name}": "A=secret\n# X=1\nexport B=2\n"}
    compose = {"services": {"web": {"build": "./web", **web}}}
    texts = {**files, "compose.yaml": yaml.safe_dump(compose)}
    known = tuple(sorted({*texts} - {"conf/app.env"}))
    made = propose(Survey(Path("/nowhere"), known, "origin", "https://github.com/a/b", texts))
    service = released(made)["services"]["web"]
    assert service["env_file"] == ["conf/known.env"]
    assert service["environment"] == {"A": "${A}", "B": "own"}
    assert "secret" not in made.files["compose.release.yaml"]
    assert any("asks for its variables by name (A, B)" in one for one in made.decisions)


def test_a_file_of_variables_that_nobody_has_is_said() -> None:
    """Without the file or an example of it, nothing is known of its variables."""
    made = proposed({"env_file": "app.env"})
    assert released(made)["services"]["web"]["env_file"] == "app.env"
    assert any("commit it, or name its variables" in one for one in made.decisions)


def test_extensions_and_anchors_are_written_out() -> None:
    """What is for people who edit the other file is not copied."""
    extension: dict[str, Any] = {"x-logging": {"driver": "json-file"}}
    made = proposed({}, version="3", **extension)
    assert {*released(made)} == {"services"}
    assert "&" not in made.files["compose.release.yaml"]


def test_a_stage_that_is_not_the_last_is_pointed_out() -> None:
    """A target that a Compose file has for development might not be the one for releases."""
    files = {**FILES, "web/Dockerfile": "FROM x AS base\nFROM base AS dev\nFROM base AS final\n"}
    made = proposed({"build": {"context": "web", "target": "dev"}}, files)
    assert any("the last stage of web/Dockerfile is final" in one for one in made.decisions)
    made = proposed({"build": {"context": "web", "target": "final"}}, files)
    assert not any("last stage" in one for one in made.decisions)
