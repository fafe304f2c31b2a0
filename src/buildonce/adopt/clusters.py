"""Environments on Kubernetes, as the manifests of a repository suggest them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildonce.adopt.manifests import Place
from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey

DEFAULT_IMAGE = "{registry}/{service}"


@dataclass(frozen=True)
class Names:
    """Where images lie: the registry with a path in it, and the template of their names."""

    registry: str
    image: str = DEFAULT_IMAGE

    def place_of(self, service: str) -> str:
        """Return the full name of a service's image."""
        return self.image.format(registry=self.registry, service=service)


def names(services: Sequence[Found], places: Mapping[str, Place]) -> Names | None:
    """Return where manifests or Skaffold say that images lie; None where no registry is named."""
    found = {service.name: service.image for service in services}
    for place in places.values():
        found |= {name: used.rendered for name, used in place.of(services).items()}
    hosted = {name: image.rpartition("/")[::2] for name, image in found.items() if _hosted(image)}
    if not hosted:
        return None
    registry, _ = Counter(parent for parent, _ in hosted.values()).most_common(1)[0]
    prefixes = {
        last.removesuffix(name) if last.endswith(name) else None
        for name, (_, last) in hosted.items()
    }
    prefix = prefixes.pop() if len(prefixes) == 1 else None
    return Names(registry, f"{{registry}}/{prefix}{{service}}") if prefix else Names(registry)


def keys(
    project: str, environment: str, place: Place, services: Sequence[Found], names: Names
) -> Iterator[str]:
    """Give how an environment would be deployed, to be switched on once its cluster is known."""
    used = place.of(services)
    files = place.files[0] if len(place.files) == 1 else list(place.files)
    yield '# engine = "kubernetes"'
    yield f"# file = {json.dumps(files)}"
    yield f"# context = {json.dumps(environment)}"
    yield f"# namespace = {json.dumps(namespace(project, environment, place))}"
    yield f"# project = {json.dumps(slug(project))}"
    others = {
        name: one.rendered for name, one in used.items() if one.rendered != names.place_of(name)
    }
    if others:
        pairs = ", ".join(f"{name} = {json.dumps(image)}" for name, image in others.items())
        yield f"# images = {{ {pairs} }}"
    if 0 < len(used) < len(services):
        yield f"# services = {json.dumps([one.name for one in services if one.name in used])}"


def namespace(project: str, environment: str, place: Place) -> str:
    """Return the namespace that manifests name, or one that is made up."""
    return place.namespaces[0] if place.namespaces else slug(f"{project}-{environment}")


def decisions(
    project: str, environment: str, place: Place, services: Sequence[Found]
) -> Iterator[str]:
    """Give what only a person can know of an environment, and what will be refused."""
    where = ", ".join(place.files)
    yield (
        f"{environment}: to deploy {where}, uncomment its lines; context {environment!r} is made "
        "up: kubectl config get-contexts lists what there is. Where Argo CD or Flux deploys, leave "
        "file and project out"
    )
    if not place.namespaces:
        made_up = namespace(project, environment, place)
        yield f"{environment}: namespace {made_up} is made up, the manifests name none"
    if len(place.namespaces) > 1:
        yield (
            f"{environment}: {where} are for several namespaces ({', '.join(place.namespaces)}): "
            "each has to be an environment"
        )
    if place.refused:
        yield (
            f"{environment}: {', '.join(place.refused)} in {where} will be refused; "
            "buildonce's documentation on Kubernetes says what to do instead"
        )
    if missing := [one.name for one in services if one.name not in place.of(services)]:
        yield (
            f"{environment}: nothing in {where} runs {', '.join(missing)} by a name that is known: "
            "say under images what it is called there, or leave it out of services"
        )


def of_charts(survey: Survey) -> Iterator[str]:
    """Give what is to be done about Helm charts, which are not deployed as such."""
    for path in survey.named("Chart.yaml"):
        chart = path.rpartition("/")[0] or survey.name
        yield (
            f"{chart} is a Helm chart: commit what helm template makes of it, and name that as "
            "file; or let Helm deploy by digest, as buildonce's documentation on GitOps shows"
        )


def _hosted(image: str) -> bool:
    """Tell whether an image's name has a registry in it."""
    host, slash, _ = image.partition("/")
    return bool(slash) and (host == "localhost" or "." in host or ":" in host)
