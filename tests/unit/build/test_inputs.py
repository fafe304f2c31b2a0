"""Identity: what is in it, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.build.inputs import Inputs, inputs_of
from buildonce.build.pins import Pins
from buildonce.config import parse
from buildonce.errors import PreconditionError
from buildonce.git.trees import Entry, Tree
from buildonce.refs import ImageRef
from tests.kit.samples import digest, revision

FILES = {
    ".gitattributes": "attributes",
    "docs/a.md": "docs",
    "libs/x.py": "x",
    "web/Dockerfile": "FROM",
    "web/.dockerignore": "ignore",
    "web/src/a.py": "a",
}
BASE = ImageRef.parse(f"mirror.example.org/python@{digest('base')}")


def tree(files: dict[str, str], prefix: str = "") -> Tree:
    """A tree in git's order, its ids made of what is below."""
    folders = {path[:at] for path in files for at, letter in enumerate(path) if letter == "/"}
    entries = {path: Entry("100644", digest(text)) for path, text in files.items()}
    for folder in folders:
        below = sorted(
            (path, text) for path, text in files.items() if path.startswith(folder + "/")
        )
        entries[folder] = Entry("040000", digest(str(below)))
    order = sorted(entries, key=lambda path: path + "/" * entries[path].is_folder)
    return Tree(prefix, {path: entries[path] for path in order})


def web(
    files: dict[str, str] | None = None,
    *,
    of: Tree | None = None,
    base: ImageRef = BASE,
    commit: int = 1,
    project: dict[str, Any] | None = None,
    **service: Any,
) -> Inputs:
    table = {"registry": "registry.example.org", **(project or {})}
    made = parse({**table, "services": {"web": {"context": "web", **service}}})
    pins = Pins("python", {"python": base})
    return inputs_of(made, "web", of or tree(files or FILES), pins, revision(commit))


def test_the_context_is_the_default() -> None:
    """A service that names no inputs depends on all of its context, and on nothing else."""
    same, other = {**FILES, "docs/a.md": "new"}, {**FILES, "web/src/a.py": "new"}
    assert web(same).identity == web().identity != web(other).identity
    assert web().visible == ("web",)


@pytest.mark.parametrize("path", ["web/Dockerfile", "web/.dockerignore", "web/src/a.py"])
def test_what_a_build_reads_is_in_the_identity(path: str) -> None:
    """The Dockerfile and the ignore file count, also where the inputs do not name them."""
    narrow: dict[str, Any] = {"inputs": ["web/src"]}
    assert web({**FILES, path: "new"}, **narrow).identity != web(**narrow).identity


@pytest.mark.parametrize(
    "changed",
    [
        {"args": {"A": "b"}},
        {"target": "final"},
        {"project": {"platform": "linux/arm64"}},
        {"base": ImageRef.parse(f"python@{digest('patched')}")},
        {"files": {**FILES, ".gitattributes": "* text eol=crlf"}},
    ],
    ids=["argument", "stage", "platform", "base", "attributes"],
)
def test_what_decides_the_bytes_is_in_the_identity(changed: dict[str, Any]) -> None:
    """Arguments, stage, platform, the images from outside and git's attributes all count."""
    assert web(**changed).identity != web().identity


@pytest.mark.parametrize("path", ["web/Dockerfile", ".gitattributes"])
def test_what_a_build_sees_is_in_the_identity(path: str) -> None:
    """`COPY . .` copies what is among the inputs, also what counts without being seen."""
    inputs = ["libs", "web/src"]
    unseen, seen = web(context=".", inputs=inputs), web(context=".", inputs=[*inputs, path])
    assert unseen.files == seen.files
    assert unseen.identity != seen.identity
    assert seen.identity == web(context=".", inputs=[path, *inputs]).identity


def test_where_and_when_is_not_in_the_identity() -> None:
    """Neither the commit nor the registry's address, nor a mirror's, changes it."""
    elsewhere = ImageRef.parse(f"other.example.org/python@{digest('base')}")
    project = {"registry": "other.example.org"}
    assert web(commit=2, base=elsewhere, project=project).identity == web().identity


def test_without_reuse_each_commit_has_its_own_identity() -> None:
    """`reuse = false` puts the commit into it."""
    project = {"reuse": False}
    assert web(commit=1, project=project).identity != web(commit=2, project=project).identity


def test_a_build_sees_its_inputs_and_the_ignore_file() -> None:
    """Of the context, what the inputs name; the Dockerfile is needed and need not be seen."""
    made = web(inputs=["web/src", "libs"])
    assert made.visible == ("web/src", "web/.dockerignore")
    assert set(made.needed) == {"web/src", "web/.dockerignore", "web/Dockerfile"}
    assert web(context=".", inputs=["web/src", "libs"]).visible == ("web/src", "libs")


@pytest.mark.parametrize("inputs", [["web"], [".", "libs"]])
def test_inputs_that_have_the_whole_context_show_it_all(inputs: list[str]) -> None:
    """The exported context itself is built from: no link is made."""
    assert web(inputs=inputs).visible == ("web",)


def test_an_input_that_is_not_there_is_named() -> None:
    """A path that the commit does not have ends with 3, the service and the path."""
    with pytest.raises(PreconditionError, match="service web: web/scr is not in this commit"):
        web(inputs=["web/scr"])


def test_an_input_is_no_pattern() -> None:
    """Who writes a pattern is told to name the folder."""
    with pytest.raises(PreconditionError) as refused:
        web(inputs=["web/*.py"])
    assert "a path is no pattern" in refused.value.hint


def test_a_context_is_a_folder() -> None:
    """A file is named, before anything is built."""
    with pytest.raises(PreconditionError, match=r"context libs/x\.py is a file"):
        web(context="libs/x.py", dockerfile="web/Dockerfile")


def test_a_submodule_is_refused() -> None:
    """One in the inputs has no files in the commit, and is named."""
    entries = {**tree(FILES).entries, "web/vendor": Entry("160000", digest("elsewhere"))}
    with pytest.raises(PreconditionError, match="is a git submodule"):
        web(of=Tree("", entries))


@pytest.mark.parametrize(
    "service",
    [
        {"context": "link"},
        {"context": "link/below"},
        {"dockerfile": "link"},
        {"dockerfile": "link/Dockerfile"},
        {"inputs": ["web", "link/x.py"]},
    ],
)
def test_a_path_through_a_link_is_refused(service: dict[str, Any]) -> None:
    """Git has no content behind a link: neither the identity nor the export would have it."""
    entries = {**tree(FILES).entries, "link": Entry("120000", digest("elsewhere"))}
    with pytest.raises(PreconditionError, match="service web: link is a symbolic link"):
        web(of=Tree("", entries), **service)


def test_an_input_may_be_a_link() -> None:
    """The link itself is what the build gets."""
    entries = {**tree(FILES).entries, "link": Entry("120000", digest("elsewhere"))}
    assert "link" in web(of=Tree("", entries), context=".", inputs=["web", "link"]).visible


def test_a_submodule_elsewhere_is_nobodys_concern() -> None:
    """What no build sees may be a submodule."""
    entries = {**tree(FILES).entries, "vendor": Entry("160000", digest("elsewhere"))}
    assert web(of=Tree("", entries)).identity == web().identity


def test_a_project_may_be_in_a_folder_of_its_repository() -> None:
    """Paths are relative to the project; the repository's attributes above it count."""
    nested = {f"shop/{path}": text for path, text in FILES.items()} | {".gitattributes": "top"}
    one = web(of=tree(nested, "shop/"))
    assert web(of=tree({**nested, ".gitattributes": "new"}, "shop/")).identity != one.identity
    assert web(of=tree({**nested, "other": "new"}, "shop/")).identity == one.identity


def test_the_names_of_secrets_count_and_their_places_do_not() -> None:
    """Another secret is another input; where its value comes from is this machine's affair."""
    token = web(secrets={"token": {"variable": "A"}}, ssh=["default"])
    moved = web(secrets={"token": {"file": "/b"}}, ssh=["default=/agent"])
    assert token.identity == moved.identity
    assert web(secrets={"key": {"variable": "A"}}, ssh=["default"]).identity != token.identity
    assert web(secrets={"token": {"variable": "A"}}).identity != token.identity
