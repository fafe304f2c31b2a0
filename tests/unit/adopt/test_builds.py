"""What scripts and workflows of a repository say about its builds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from buildonce.adopt.builds import builds, untagged
from buildonce.adopt.survey import Survey

ACTION = """\
jobs:
  image:
    strategy: {matrix: {app: [api, web]}}
    steps:
      - uses: actions/checkout@v4
      - uses: docker/build-push-action@v6
        with:
          context: .
          file: apps/${{ matrix.app }}/Dockerfile
          tags: ghcr.io/acme/${{ matrix.app }}:latest,ghcr.io/acme/${{ matrix.app }}:1
"""
OWN_FOLDER = ACTION.replace("context: .", "context: apps/${{ matrix.app }}")


def survey(files: Mapping[str, str]) -> Survey:
    files = {"apps/api/Dockerfile": "FROM x\n", **files}
    return Survey(Path("/nowhere"), tuple(files), texts=files)


@pytest.mark.parametrize(
    ("path", "text", "context"),
    [
        ("Makefile", "api:\n\tdocker build -t acme/api -f apps/api/Dockerfile .\n", "."),
        ("build.sh", "docker buildx build --push \\\n  --file=apps/api/Dockerfile apps\n", "apps"),
        ("build.sh", "docker build --build-arg A=1 apps/api && docker push x\n", "apps/api"),
        ("apps/Makefile", "api:\n\tdocker build api\n", "apps/api"),
        ("Makefile", "%:\n\tdocker build -f apps/$*/Dockerfile -t acme/$* .\n", None),
        ("Makefile", "%:\n\tdocker build -f apps/$(APP)/Dockerfile -t acme/$(APP) .\n", "."),
        ("build.sh", "for app in *; do podman build apps/$app; done\n", "apps/api"),
        (".github/workflows/ci.yml", ACTION, "."),
        (".github/workflows/ci.yml", OWN_FOLDER, "apps/api"),
        ("build.sh", "docker build -f apps/api/Dockerfile .   # not from apps\n", "."),
        ("build.sh", "docker build apps/api   # the one's\n", "apps/api"),
        ("build.sh", "docker build -f other/Dockerfile .\n", None),
        ("build.sh", "docker build -t x 'apps\n", None),
        (".github/workflows/ci.yml", "docker/build-push-action: [", None),
    ],
)
def test_the_context_of_a_dockerfile(path: str, text: str, context: str | None) -> None:
    """Commands and steps name it, also by a variable that stands for a service."""
    dockerfile = "apps/api/Dockerfile"
    found = [one for one in builds(survey({path: text})) if one.makes(dockerfile)]
    assert [one.context_of(dockerfile) for one in found] == ([] if context is None else [context])


def test_the_image_that_a_build_makes() -> None:
    """Its tags are compared by name; one that is all variable names nothing."""
    text = "docker build -t acme/base:latest -t $TAG apps/api\n"
    (build,) = builds(survey({"build.sh": text}))
    assert build.names("acme/base:2")
    assert not build.names("acme/other")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("acme/base", "acme/base"),
        ("acme/base:1", "acme/base"),
        ("r.example:5000/base", "r.example:5000/base"),
        ("r.example:5000/base:1@sha256:00", "r.example:5000/base"),
    ],
)
def test_a_name_without_its_tag(image: str, name: str) -> None:
    """The port of a registry is no tag."""
    assert untagged(image) == name
