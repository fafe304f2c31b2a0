"""What `inv doctor` reads from other programs."""

from __future__ import annotations

import pytest

from buildonce.doctor.machine import buildx_version


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        ("github.com/docker/buildx v0.29.1 a32761a", (0, 29)),
        ("github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4", (0, 29)),
        ("github.com/docker/buildx v0.10-dev 1234567", (0, 10)),
        ("github.com/docker/buildx v0.9.1-desktop.1 1234567", (0, 9)),
        ("github.com/docker/buildx 9872040b6626fb7d87ef7296fd5b832e8cc2ad17", None),
        ("", None),
    ],
)
def test_buildx_versions_come_in_many_forms(shown: str, version: tuple[int, int] | None) -> None:
    """Distributions and developers have their own; none of them is a traceback."""
    assert buildx_version(shown) == version
