"""The definition with the release's images in it."""

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.images import fill_in, require_digests
from buildonce.engines.parts import Part
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


MAIL = Repository("localhost:5000", "mail").at(Digest("sha256:" + "c" * 64))


def require(image: str) -> None:
    target = Target("production", "compose", project="shop")
    part = Part("shop", image, 1, {}, optional=False)
    images = {"web": WEB, "mail": MAIL}
    require_digests([part], Deployment(target, "0123456789ab", files(), images))


@pytest.mark.parametrize(
    ("image", "variable"),
    [
        ("r.example/shop/web:1", "WEB"),
        ("r.example/shop/web", "WEB"),
        ("localhost:5000/mail", "MAIL"),
        ("localhost:5000/mail:1", "MAIL"),
    ],
)
def test_an_image_of_the_project_by_tag_is_refused(image: str, variable: str) -> None:
    """What a tag names may be another release's: the variable that gives the digest is named."""
    with pytest.raises(UsageError) as refused:
        require(image)
    assert refused.value.message == (f"deploy/compose.yaml: shop runs {image}, which is only a tag")
    assert f"image: ${{BUILDONCE_IMAGE_{variable}}}" in refused.value.hint


@pytest.mark.parametrize(
    "image", [str(WEB), "valkey:8", "valkey", "localhost:5000/web", "r.example/shop/website:1"]
)
def test_images_of_others_may_have_tags(image: str) -> None:
    """Only the project's own images have a digest in the release."""
    require(image)
