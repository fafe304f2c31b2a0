"""Which image a Dockerfile begins from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from buildonce.build.dockerfile import external_images, mounted
from buildonce.errors import PreconditionError

LINUX = "linux/arm64/v8"


def _base(dockerfile: str, stage: str | None, args: Mapping[str, str], platform: str) -> str | None:
    return external_images(dockerfile, stage, args, platform).base


def images(dockerfile: str, stage: str | None = None, **args: str) -> set[str]:
    return set(external_images(dockerfile, stage, args, LINUX).all)


MULTI_STAGE = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.13
ARG IMAGE=python:${VERSION}-slim
FROM python:$VERSION-slim AS base
FROM base AS build
RUN true
FROM --platform=$BUILDPLATFORM golang:1.25 AS tools
from base as final
FROM scratch AS empty
FROM busybox
"""


@pytest.mark.parametrize(
    ("stage", "base"),
    [
        (None, "busybox"),
        ("base", "python:3.13-slim"),
        ("build", "python:3.13-slim"),
        ("final", "python:3.13-slim"),
        ("FINAL", "python:3.13-slim"),
        ("tools", "golang:1.25"),
        ("empty", None),
    ],
)
def test_the_base_is_found_through_the_stages(stage: str | None, base: str | None) -> None:
    """Stages are followed back to the outside image; scratch is none."""
    assert _base(MULTI_STAGE, stage, {}, LINUX) == base


def test_arguments_override_the_preambles_defaults() -> None:
    """A base named by an ARG follows the configured build argument."""
    assert _base(MULTI_STAGE, "final", {"VERSION": "3.14"}, LINUX) == "python:3.14-slim"


def test_an_argument_after_the_first_from_does_not_count() -> None:
    """Only the preamble's arguments are known to a FROM."""
    assert _base("FROM a\nARG V=1\nFROM b$V\n", None, {}, LINUX) == "b"


def test_an_argument_after_the_first_from_is_not_even_read() -> None:
    """What is in a stage may be written as its shell likes it."""
    assert _base("FROM a\nARG X=it's\nFROM b\n", None, {}, LINUX) == "b"


@pytest.mark.parametrize(
    ("dockerfile", "stage", "told"),
    [
        ("", None, "has no FROM"),
        ("FROM a AS b\n", "c", "has no stage 'c'"),
        ("FROM a AS b\n", "1", "has no stage '1'"),
        ("FROM a\nCOPY --from=1 /a /b\n", None, "has no stage '1'"),
        ("ARG V\nFROM $V\n", None, "cannot be told: ''"),
        ("FROM a:$BUILDARCH\n", None, r"cannot be told: 'a:\$BUILDARCH'"),
        ("FROM a:${BUILDOS}\n", None, r"cannot be told: 'a:\$BUILDOS'"),
        ("ARG V=$BUILDPLATFORM\nFROM a:$V\n", None, r"cannot be told: 'a:\$BUILDPLATFORM'"),
        ("FROM a:1$BUILDVARIANT\n", None, r"cannot be told: 'a:1\$BUILDVARIANT'"),
        ("FROM a:${V%x}\n", None, r"cannot be told: 'a:\$\{V%x\}'"),
        ('FROM "a\n', None, 'cannot be read: FROM "a'),
        ("FROM\n", None, "cannot be read: FROM"),
        ("FROM --platform=linux/amd64\n", None, "cannot be told: ''"),
    ],
)
def test_a_dockerfile_that_does_not_tell_is_named(
    dockerfile: str, stage: str | None, told: str
) -> None:
    """What is missing, or cannot be understood, is named before anything is built."""
    with pytest.raises(PreconditionError, match=told):
        _base(dockerfile, stage, {}, LINUX)


@pytest.mark.parametrize(
    ("preamble", "image"),
    [
        ('ARG V="1"', "a:$V"),
        ("ARG V='1'", "a:${V}"),
        ("ARG A=a V=1", "$A:$V"),
        ("ARG M=1 V=$M", "a:$V"),
        ("ARG V", "a:${V:-1}"),
        ("ARG V=", "a:${V:-1}"),
        ("ARG V=", "a:1${V-2}"),
        ("ARG M=1", "a:${V-$M}"),
        ("ARG M=1", "a:${V:-${M}}"),
        ("ARG M=x", "a:${M:+1}"),
        ("ARG M=x", "a:1${V+2}"),
        ("ARG \\\n  # a comment\n\n  V=1", "a:$V"),
        ("# escape=`\nARG `\n V=1", "a:$V"),
        ("arg\tV=1", "a:$V"),
        ("ARG V=2\nARG V=1\n# ARG V=3", "a:$V"),
        ("ARG V=1\r", "a:$V\r"),
        ("", '"a:1"'),
        ("", "--platform=$TARGETPLATFORM a:1"),
        ("", "\\\n  a:1 \\\n  AS final"),
    ],
)
def test_names_are_written_in_many_ways(preamble: str, image: str) -> None:
    """Quotes, defaults, several arguments a line, continuations and comments are understood."""
    assert _base(f"{preamble}\nFROM {image}\nRUN true\n", None, {}, LINUX) == "a:1"


@pytest.mark.parametrize("first", ["RUN echo a\\\\", "# escape=`\nFROM c AS d\nRUN echo a``"])
def test_an_escaped_escape_continues_nothing(first: str) -> None:
    """As for BuildKit, the line after it is an instruction of its own."""
    assert _base(f"{first}\nFROM b:1\n", None, {}, LINUX) == "b:1"


@pytest.mark.parametrize("end", ["", "\n", "\n# the end\n"])
def test_the_last_line_may_promise_another(end: str) -> None:
    """As for BuildKit, a continuation that the file ends in continues with nothing."""
    assert _base(f"FROM b:1 \\{end}", None, {}, LINUX) == "b:1"


def test_an_argument_counts_where_it_is_declared() -> None:
    """As in the build itself, a configured argument that no ARG declares has no effect."""
    assert _base("FROM a:1$V\n", None, {"V": "2"}, LINUX) == "a:1"


def test_the_platform_names_arguments_of_its_own() -> None:
    """TARGETARCH and its like are known without an ARG."""
    base = _base("FROM a:$TARGETOS-$TARGETARCH-$TARGETVARIANT\n", None, {}, LINUX)
    assert base == "a:linux-arm64-v8"


@pytest.mark.parametrize("first", ["FROM a:1", "ARG V=1\nFROM a:$V", "# escape=`\nFROM `\n a:1"])
def test_a_byte_order_mark_hides_nothing(first: str) -> None:
    """What some editors put ahead of the first line does not belong to it."""
    assert _base(f"\ufeff{first}\n", None, {}, LINUX) == "a:1"


def test_two_stages_may_have_each_others_names() -> None:
    """A FROM names a stage only where that stage comes before it."""
    assert _base("FROM a AS b\nFROM b AS a\n", None, {}, LINUX) == "a"
    assert _base("FROM a AS b\nFROM c AS a\n", "b", {}, LINUX) == "a"


@pytest.mark.parametrize(
    "document",
    [
        "RUN <<END\nFROM x\nEND",
        "RUN cat <<-'END' >/x && true\n\tFROM x\n\tEND",
        "COPY <<A <<B /x/\nFROM x\nA\nFROM y\nB",
        "RUN <<END\nEND \n\tEND\nFROM x\nEND",
        "RUN <<END\r\nFROM x\r\nEND\r",
    ],
)
def test_a_here_document_is_no_instruction(document: str) -> None:
    """What a RUN or a COPY has in a here document only looks like a FROM."""
    assert _base(f"FROM a\n{document}\n", None, {}, LINUX) == "a"
    assert _base(f"FROM a\n{document}\nFROM b\n", None, {}, LINUX) == "b"


def test_a_shift_is_no_here_document() -> None:
    """Without the line that ends it, there is no here document to skip."""
    assert _base("FROM a\nRUN echo 1 <<2\nFROM b\n", None, {}, LINUX) == "b"


def test_every_image_that_the_build_needs_is_found() -> None:
    """FROM, COPY --from and RUN --mount of the stages that the built one needs, and no others."""
    dockerfile = """\
FROM golang:1 AS tools
RUN --mount=type=cache,target=/c --mount=type=bind,from=alpine,target=/x true
FROM unused
COPY --from=unused-too /a /b
FROM python AS base
COPY --chown=1:1 --from=busybox:1 /bin/sh /sh
FROM base
COPY --link --from=tools /a /b
"""
    assert images(dockerfile) == {"golang:1", "alpine", "python", "busybox:1"}
    assert images(dockerfile, "base") == {"python", "busybox:1"}


@pytest.mark.parametrize(
    ("instruction", "image"),
    [
        ("COPY --from=0 /a /b", set()),
        ("COPY --from=A /a /b", set()),
        ("COPY --from=scratch /a /b", set()),
        ("COPY --from=later /a /b", set()),
        ("COPY a --from=b", set()),
        ('COPY --from="b" ["/a", "/b"]', {"b"}),
        ("RUN --mount=from=a true", set()),
        ("RUN --mount=from=2,target=/x true", {"2"}),
        ("RUN --network=none --mount=type=bind,FROM=b true", {"b"}),
        ("RUN echo --mount=from=b", set()),
        ("ONBUILD COPY --from=b /a /b", {"b"}),
        ("RUN <<END\nCOPY --from=b /a /b\nEND", set()),
    ],
)
def test_a_name_is_a_stage_where_buildkit_says_so(instruction: str, image: set[str]) -> None:
    """COPY --from knows stages by name and number, RUN --mount by name; else it is an image."""
    dockerfile = f"FROM base AS a\nFROM a\n{instruction}\nFROM a AS later\n"
    assert images(dockerfile, "1") == {"base", *image}


@pytest.mark.parametrize("image", ["$V", "b:$V"])
def test_variables_of_copy_are_not_filled_in(image: str) -> None:
    """BuildKit takes the name in COPY --from as it is: what has a variable in it is refused."""
    with pytest.raises(PreconditionError, match="cannot be told"):
        images(f"ARG V=1\nFROM a\nCOPY --from={image} /a /b\n")


def test_a_stage_may_have_the_name_of_its_base() -> None:
    """FROM base AS base begins from the image."""
    assert images("FROM base AS base\nFROM base\n") == {"base"}


@pytest.mark.parametrize(
    "first",
    [
        "# syntax=docker/dockerfile:1",
        "#syntax = docker/dockerfile:1 option",
        "# escape=`\n# Syntax=docker/dockerfile:1",
        "#!/usr/bin/env docker\n# syntax=docker/dockerfile:1",
        "// syntax=docker/dockerfile:1",
        "\ufeff# syntax=docker/dockerfile:1",
    ],
)
def test_the_syntax_line_names_an_image(first: str) -> None:
    """A build is read by the image in its syntax line, however that is written."""
    assert images(f"{first}\nFROM scratch\n") == {"docker/dockerfile:1"}


def test_the_syntax_may_be_an_argument() -> None:
    """BuildKit prefers the argument to the line; a comment further down is neither."""
    dockerfile = "# syntax=docker/dockerfile:1\nFROM scratch\n"
    assert images(dockerfile, BUILDKIT_SYNTAX="mine:1") == {"mine:1"}
    assert images("# first\n# syntax=docker/dockerfile:1\nFROM scratch\n") == set()


def test_what_a_run_mounts_is_known_by_its_id() -> None:
    """By the id or, without one, the target's last part; an SSH agent is `default`."""
    dockerfile = (
        "FROM python\n"
        "RUN --mount=type=secret,id=token --mount=type=secret,target=/etc/pip.conf,required pip\n"
        "RUN --mount=type=ssh --mount=type=ssh,id=deploy --mount=type=cache,target=/c git clone\n"
        "RUN --mount=type=secret,id=token again\n"
    )
    assert mounted(dockerfile, "secret") == ["token", "pip.conf"]
    assert mounted(dockerfile, "ssh") == ["default", "deploy"]
