"""What is measured beside the tasks themselves: a shell loop."""

from __future__ import annotations

from bench.ground import Project
from bench.measure import Sample

COPY = """
set -eu
repositories=$1 from=$2 to=$3
for service in api worker; do
    skopeo copy --quiet --preserve-digests --src-tls-verify=false --dest-tls-verify=false \
        "docker://$repositories/$service:$from" "docker://$repositories/$service:$to"
done
"""
COMPARE = """
set -eu
repositories=$1
shift
for service in api worker; do
    for tag in "$@"; do
        skopeo inspect --raw --tls-verify=false "docker://$repositories/$service:$tag" | sha256sum
    done | uniq | wc -l | grep --quiet --line-regexp 1
done
"""


def skopeo_promote(project: Project, pointer: str) -> Sample:
    """Point a tag of each service at the present commit's image, one after the other."""
    return project.measure("sh", "-c", COPY, "sh", _repositories(project), project.sha, pointer)


def skopeo_verify(project: Project, *tags: str) -> Sample:
    """Hash each service's manifest under each tag, and compare."""
    tags = (project.sha, *tags)
    return project.measure("sh", "-c", COMPARE, "sh", _repositories(project), *tags)


def _repositories(project: Project) -> str:
    images = project.images.format(registry=project.ground.registry.registry, service="")
    return images.rstrip("/")
