"""Which context fits a Dockerfile, and what its build reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce.adopt.contexts import Context, fitting, inputs, sources
from buildonce.adopt.survey import Survey, below, normal


def survey(files: dict[str, str]) -> Survey:
    return Survey(Path("/shop"), tuple(sorted(files)), "origin", "", files)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY a b /c/", ["a", "b"]),
        ("COPY --link --chown=1:1 a /c", ["a"]),
        ("COPY --from=build /a /c", []),
        ("COPY --chmod=755 --from=ghcr.io/astral-sh/uv:0.5 /uv /bin/", []),
        ('COPY ["a b", "c", "/d/"]', ["a b", "c"]),
        ("copy ./a/ /c", ["./a/"]),
        ("ADD https://example.com/x.tar /x", []),
        ("ADD git@github.com:acme/x.git /x", []),
        ("ADD a.tar /x", ["a.tar"]),
        ("COPY $WHAT /c", []),
        ("COPY a \\\n  b \\\n  /c", ["a", "b"]),
        ("COPY <<EOF /c\nCOPY no /no\nEOF", []),
        ("RUN --mount=type=bind,source=x,target=/x true", ["x"]),
        ("RUN --mount=type=bind,from=build,source=x,target=/x true", []),
        ("RUN --mount=type=cache,source=x,target=/x true", []),
        ("RUN echo COPY a b", []),
        ("# COPY a b", []),
    ],
)
def test_what_a_dockerfile_takes_from_its_context(line: str, expected: list[str]) -> None:
    """COPY, ADD and bind mounts, in every form; nothing of stages, images and networks."""
    assert sources(f"FROM python:3.13\n{line}\n") == expected


@pytest.mark.parametrize(
    ("copies", "context"),
    [
        ("COPY . /srv", "api"),
        ("COPY main.py /srv", "api"),
        ("COPY api libs /srv/", "."),
        ("COPY *.txt /srv/", "api"),
        ("COPY li?s/ /srv/", "."),
        ("", "api"),
    ],
)
def test_the_innermost_context_that_has_everything(copies: str, context: str) -> None:
    """As people write Dockerfiles: from their own folder, or from the root."""
    files = {
        "api/Dockerfile": f"FROM x\n{copies}\n", "api/main.py": "", "api/a.txt": "", "libs/a": "",
    }  # fmt: skip
    assert fitting(survey(files), "api/Dockerfile") == Context(context)


def test_what_no_context_has_is_missing() -> None:
    """A build product that git does not have is named, with the context that lacks least."""
    files = {"api/Dockerfile": "FROM x\nCOPY main.py dist /srv/\n", "api/main.py": ""}
    assert fitting(survey(files), "api/Dockerfile") == Context("api", ("dist",))


@pytest.mark.parametrize(
    ("copies", "context", "expected"),
    [
        ("COPY api libs /srv/", ".", ["api", "libs"]),
        ("COPY api/main.py api /srv/", ".", ["api"]),
        ("COPY . /srv", ".", []),
        ("COPY . /srv", "api", ["api"]),
        ("COPY main.py /srv", "api", ["api/main.py"]),
        ("COPY libs/*.py /srv/", ".", ["libs/a.py", "libs/b.py"]),
    ],
)
def test_what_a_build_reads(copies: str, context: str, expected: list[str]) -> None:
    """Relative to the root, patterns filled in, each path once; nothing where it reads it all."""
    files = {
        "api/Dockerfile": f"FROM x\n{copies}\n", "api/main.py": "",
        "libs/a.py": "", "libs/b.py": "", "libs/c.md": "",
    }  # fmt: skip
    assert inputs(survey(files), context, "api/Dockerfile") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("./a/", "a"), ("/a", "a"), (".", "."), ("", "."), ("a/../b", "b"), ("../a", "../a")],
)
def test_paths_are_compared_in_one_form(path: str, expected: str) -> None:
    """As Docker does: a leading slash is the context's root."""
    assert normal(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("c", "a/b/c"), ("../c", "a/c"), (".", "a/b"), ("/c", "a/b/c")]
)
def test_paths_below_a_folder(path: str, expected: str) -> None:
    """A path that leaves its folder is still one of the repository."""
    assert below("a/b", path) == expected
