"""What Beacon watches and what it finds."""

import pytest
from beacon_libs.models import NewTarget, Result, Target
from pydantic import ValidationError


def test_the_id_follows_from_the_address() -> None:
    """Two requests to watch one address mean the same target."""
    assert Target.of("https://example.com/").id == Target.of("https://example.com/").id


def test_different_addresses_have_different_ids() -> None:
    """Two addresses are two targets."""
    assert Target.of("https://example.com/").id != Target.of("https://example.com/a").id


@pytest.mark.parametrize(
    ("status", "up"), [(200, True), (301, True), (404, False), (500, False), (None, False)]
)
def test_up_means_answered_without_an_error(status: int | None, up: bool) -> None:
    """Only an answer below 400 counts as up."""
    assert Result(target_id="t", status=status, latency_ms=1).up is up


@pytest.mark.parametrize("url", ["ftp://example.com", "file:///etc/passwd", "example.com", ""])
def test_only_web_addresses_can_be_watched(url: str) -> None:
    """What the worker cannot probe is refused where it is added."""
    with pytest.raises(ValidationError):
        NewTarget.model_validate({"url": url})
