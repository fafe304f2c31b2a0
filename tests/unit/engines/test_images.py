"""The definition with the release's images in it."""

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.images import fill_in
from buildonce.errors import UsageError
from buildonce.refs import Digest, ImageRef, Repository
from tests.kit.samples import files

WEB = Repository("r.example", "shop/web").at(Digest("sha256:" + "a" * 64))
JOBS = Repository("r.example", "shop/jobs").at(Digest("sha256:" + "b" * 64))


def render(text: str, **images: ImageRef) -> str:
    target = Target("production", "compose", project="shop")
    return fill_in(text, Deployment(target, "0123456789ab", files(), images or {"web": WEB}))


@pytest.mark.parametrize(
    "spelling",
    [
        "$BUILDONCE_IMAGE_WEB",
        "${BUILDONCE_IMAGE_WEB}",
        "${BUILDONCE_IMAGE_WEB:?names the web's image}",
        "${BUILDONCE_IMAGE_WEB:-r.example/shop/web:latest}",
        "${BUILDONCE_IMAGE_WEB:-${OTHER}}",
    ],
)
def test_an_image_is_filled_in_however_it_is_asked_for(spelling: str) -> None:
    """Every form that Compose knows for a variable gives the digest, and nothing of a default."""
    assert render(f"image: {spelling}\n") == f"image: {WEB}\n"


def test_nothing_else_is_touched() -> None:
    """Other variables, escaped dollars and comments come out letter by letter as they went in."""
    rest = '\n# costs $$5\nenvironment: {TOKEN: "${TOKEN:?}", HOME: $HOME, X: "$${BUILDONCE}"}\n'
    assert render("image: $BUILDONCE_IMAGE_WEB" + rest) == f"image: {WEB}{rest}"


def test_an_escaped_variable_is_no_variable() -> None:
    """Two dollars are one for the container: there is no image to fill in."""
    with pytest.raises(UsageError, match="runs no service with"):
        render("command: $${BUILDONCE_IMAGE_WEB}")


def test_an_image_without_a_place_is_an_error() -> None:
    """A release is deployed whole: a definition that leaves out a service is refused."""
    with pytest.raises(UsageError, match=r"compose.yaml runs no service with \$\{BUILDONCE_IMAGE"):
        render("image: $BUILDONCE_IMAGE_WEB", web=WEB, jobs=JOBS)


@pytest.mark.parametrize(
    "asked", ["{BUILDONCE_IMAGE_MAIL}", "BUILDONCE_IMAGE_MAIL", "{OTHER:-${BUILDONCE_IMAGE_MAIL}}"]
)
def test_an_image_that_is_not_in_the_release_is_an_error(asked: str) -> None:
    """A misspelled image, or one inside another variable's default, is not left to Compose."""
    text = f"image: $BUILDONCE_IMAGE_WEB\nimage: ${asked}"
    with pytest.raises(UsageError, match="which is no image of this release"):
        render(text)
