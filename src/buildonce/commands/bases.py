"""``inv bases``: the images that services are made from, and their pins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildonce.app import App
from buildonce.build import pins
from buildonce.config import PROJECT_FILE, read_table, with_bases
from buildonce.errors import PreconditionError
from buildonce.parallel import run_by_key
from buildonce.refs import Digest, ImageRef, full_reference, short


@dataclass(frozen=True)
class Use:
    """An image from outside: as Dockerfiles write it, what stands in for it, and where."""

    name: str
    image: str
    services: tuple[str, ...]

    @property
    def is_pinned(self) -> bool:
        """Whether it is named by its digest."""
        return "@" in self.image


def show(app: App, *, update: bool) -> None:
    """List the images that the folder's Dockerfiles take from outside; ``update`` pins them."""
    uses, unused = _uses(app)
    app.report.table(
        ["image", "", "taken from", "services"],
        [
            [use.name, "pinned" if use.is_pinned else "floating", _brief(use.image)]
            + [", ".join(use.services)]
            for use in uses
        ]
        + [[key, "unused", app.project.bases[key], "none: remove it"] for key in unused],
    )
    if update:
        _update(app, uses)


def _uses(app: App) -> tuple[list[Use], list[str]]:
    project = app.project

    def read(paths: Sequence[str]) -> list[bytes | None]:
        files = [app.root / path for path in paths]
        return [file.read_bytes() if file.is_file() else None for file in files]

    found = pins.find(project, project.built, read)
    names = sorted({name for images in found.values() for name in images.all})
    uses = [
        Use(
            name,
            pins.stand_in(project.bases, name),
            tuple(service for service, images in found.items() if name in images.all),
        )
        for name in names
    ]
    return uses, pins.unused(project.bases, found)


def _update(app: App, uses: Sequence[Use]) -> None:
    """Write the present digest of each image that a Dockerfile names by a tag."""
    own = {str(key): str(image) for key, image in read_table(app.root).get("bases", {}).items()}
    keys = {full_reference(key): key for key in own}
    wanted: dict[str, str] = {}
    for use in uses:
        key = keys.setdefault(full_reference(use.name), use.name)
        if "@" in use.name:
            continue
        if own.get(key, use.name) != use.image:
            app.report.note(f"{use.name}: left as it is, another file or a variable sets it")
        elif "@" in use.image and not _has_tag(use.image):
            app.report.note(f"{use.name}: left as it is, {_brief(use.image)} has no tag to follow")
        else:
            wanted[key] = use.image.partition("@")[0]
    new = _resolved(app, wanted)
    changed = {key: image for key, image in new.items() if own.get(key) != image}
    if not changed:
        app.report.say("all pins are up to date")
        return
    app.report.table(
        ["image", "from", "to"],
        [[key, _digest(own.get(key, "")), _digest(image)] for key, image in changed.items()],
    )
    if app.dry_run:
        app.report.say("nothing was written")
        return
    path = app.root / PROJECT_FILE
    path.write_bytes(with_bases(path.read_bytes().decode(), changed).encode())
    app.report.say(f"written to {PROJECT_FILE}: look at it, and commit it")


def _resolved(app: App, images: Mapping[str, str]) -> dict[str, str]:
    def digest(image: str) -> Digest:
        found = app.registry.digest(ImageRef.parse(image))
        if found is None:
            raise PreconditionError(
                f"{full_reference(image)} is not in its registry",
                hint=f"correct it in {PROJECT_FILE} or in the Dockerfile",
            )
        return found

    digests = run_by_key(digest, images)
    return {key: f"{image}@{digests[key]}" for key, image in images.items()}


def _has_tag(image: str) -> bool:
    return ":" in image.partition("@")[0].rpartition("/")[2]


def _brief(image: str) -> str:
    name, at, digest = image.partition("@")
    return f"{name}{at}{short(digest)}"


def _digest(image: str) -> str:
    return image.partition("@")[2] or "floating"
