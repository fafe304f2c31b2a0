"""The kinds of value that the configuration is made of."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, StringConstraints

from buildonce.errors import UsageError
from buildonce.refs import ImageRef, Repository

DATE = "%Y-%m-%d %H:%M"
"""How a freeze's moment on a date looks."""

_REFUSED_BY_GIT = re.compile(r"\.\.|//|/\.|[/.]$|\.lock(?:/|$)")


def _inside_repository(text: str) -> str:
    path = PurePosixPath(text)
    outside = path.is_absolute() or ".." in path.parts
    if not text or outside or str(path).startswith("-"):
        raise ValueError("must be a path inside the repository, relative to its root")
    return str(path)


def _absolute(text: str) -> str:
    path = Path.home() / text[2:] if text.startswith("~/") else Path(text)
    if not path.is_absolute() or not text.isprintable():
        raise ValueError("must be an absolute path, or begin with ~/")
    return str(path)


def _ssh(text: str) -> str:
    name, given, path = text.partition("=")
    if "," in path:
        raise ValueError("must name one socket or key: 'default', or 'deploy=~/.ssh/deploy'")
    return f"{name}={_absolute(path)}" if given else name


def _image(text: str) -> str:
    try:
        ImageRef.parse(text)
    except UsageError as error:
        raise ValueError(error.message) from None
    return text


def _repository(text: str) -> str:
    try:
        Repository.parse(text)
    except UsageError as error:
        raise ValueError(error.message) from None
    return text


def _git_name(text: str) -> str:
    if _REFUSED_BY_GIT.search(text):
        raise ValueError("must be a name that git takes: see  git help check-ref-format")
    return text


def is_weekly(moment: str) -> bool:
    """Tell whether a freeze's moment is a weekday's, not a date's."""
    return moment[:1].isalpha()


def _moment(text: str) -> str:
    weekly = is_weekly(text)
    try:
        moment = datetime.strptime(text, "%a %H:%M" if weekly else DATE)
    except ValueError:
        raise ValueError("must look like 'Fri 16:00' or '2026-12-20 00:00'") from None
    return f"{text[:3].title()} {moment:%H:%M}" if weekly else moment.isoformat(" ", "minutes")


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone of the IANA database: 'Europe/Berlin'") from None
    return text


Moment = Annotated[str, AfterValidator(_moment)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
_NAME = r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$"
_NAME_WITHOUT_DOTS = r"^[a-z0-9]+(?:[_-][a-z0-9]+)*$"
_ARGUMENT = r"^[A-Za-z_][A-Za-z0-9_]*$"
_GIT_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"
_HOST = r"^(?:|[A-Za-z0-9][^\s]*)$"
_URL = r"^(?:|https?://[^\s@]+)$"
_SECRET = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
_SSH = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(?:=.+)?$"
_PLATFORM = r"^[a-z0-9]+/[a-z0-9]+(?:/v[0-9]+)?$"

PATTERNS = {
    _NAME: "must be lower-case letters and digits, with single . _ or - between them",
    _NAME_WITHOUT_DOTS: "must be lower-case letters and digits, with single _ or - between them",
    _ARGUMENT: "must be a variable's name: letters, digits and _, not beginning with a digit",
    _GIT_NAME: "must be letters, digits and any of _ . / - after the first one",
    _HOST: "must begin with a letter or a digit, and have no space",
    _URL: "must be an address without a user: https://shop.example",
    _SECRET: "must be letters, digits and any of _ . - after the first one",
    _SSH: "must look like 'default' or 'deploy=~/.ssh/deploy'",
    _PLATFORM: "must look like 'linux/amd64' or 'linux/arm/v7'",
}
"""What each pattern means, in words."""

Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=63)]
NameWithoutDots = Annotated[str, StringConstraints(pattern=_NAME_WITHOUT_DOTS, max_length=63)]
"""What can also name a bake target and a Compose project."""

PathInside = Annotated[str, AfterValidator(_inside_repository)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
SecretName = Annotated[str, StringConstraints(pattern=_SECRET)]
Ssh = Annotated[str, StringConstraints(pattern=_SSH), AfterValidator(_ssh)]
"""An SSH agent or key as ``docker build --ssh`` takes it: ``NAME``, or ``NAME=PATH``."""

RepositoryName = Annotated[str, AfterValidator(_repository)]
ImageName = Annotated[str, AfterValidator(_image)]
ArgumentName = Annotated[str, StringConstraints(pattern=_ARGUMENT)]
GitName = Annotated[str, StringConstraints(pattern=_GIT_NAME), AfterValidator(_git_name)]
Host = Annotated[str, StringConstraints(pattern=_HOST)]
Url = Annotated[str, StringConstraints(pattern=_URL)]
Platform = Annotated[str, StringConstraints(pattern=_PLATFORM)]


def image_variable(service: str) -> str:
    """Return the variable that stands for a service's image: ``BUILDONCE_IMAGE_API``."""
    return "BUILDONCE_IMAGE_" + re.sub(r"[^A-Z0-9]", "_", service.upper())
