"""A commit's Compose or stack files as one self-contained definition.

What it makes needs no other file: `include`, `extends`, several files, `env_file`, `configs`
and a committed `.env` are resolved by Compose itself, from an export of the commit; variables
stay as they are written. Where something cannot travel inside, it is refused with its remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from buildonce.config.fields import image_variable
from buildonce.engines.composefile import dump, fill
from buildonce.engines.paths import is_relative, is_repository_mount, mount
from buildonce.engines.sources import Sources
from buildonce.errors import UsageError


def make_bundle(sources: Sources) -> str:
    """Return the definition, self-contained, as YAML; images are still variables.

    Raises:
        UsageError: the files cannot be read as Compose files, or refer to what cannot travel
            with a release.
    """
    model = sources.read()
    services = model.get("services") or {}
    model["services"] = {
        name: _service(sources, name, service or {}) for name, service in services.items()
    }
    for name, config in (model.get("configs") or {}).items():
        model["configs"][name] = _config(sources, name, config or {})
    for name, secret in (model.get("secrets") or {}).items():
        _require_portable_secret(sources, name, secret or {})
    model.pop("name", None)
    return _with_defaults(dump(model), sources.dotenv())


def problems(sources: Sources) -> list[UsageError]:
    """Return everything for which ``make_bundle`` refuses the files, not only the first."""
    try:
        model = sources.read()
    except UsageError as error:
        return [error]
    refusals = map(_refusal, _checks(sources, model))
    return [refusal for refusal in refusals if refusal]


def _checks(sources: Sources, model: Mapping[str, Any]) -> Iterator[Callable[[], object]]:
    for name, service in (model.get("services") or {}).items():
        where, settings = _where(sources, name), service or {}
        yield partial(_require_image, where, name, settings)
        for file in settings.get("env_file") or ():
            yield partial(list, _from_files(sources, where, [file]))
        for volume in settings.get("volumes") or ():
            yield partial(_volume, where, volume)
    for name, config in (model.get("configs") or {}).items():
        yield partial(_config, sources, name, config or {})
    for name, secret in (model.get("secrets") or {}).items():
        yield partial(_require_portable_secret, sources, name, secret or {})


def _refusal(check: Callable[[], object]) -> UsageError | None:
    try:
        check()
    except UsageError as error:
        return error
    return None


def _service(sources: Sources, name: str, service: dict[str, Any]) -> dict[str, Any]:
    where = _where(sources, name)
    _require_image(where, name, service)
    environment = dict(_from_files(sources, where, service.pop("env_file", ())))
    environment |= _mapping(service.get("environment") or {})
    if environment:
        service["environment"] = environment
    if service.get("volumes"):
        service["volumes"] = [_volume(where, volume) for volume in service["volumes"]]
    for left_out in ("build", "develop", "extends", "label_file"):
        service.pop(left_out, None)
    return service


def _where(sources: Sources, service: str) -> str:
    return f"{sources.files[0]}: {service}"


def _mapping(environment: Any) -> dict[str, Any]:
    """Return variables by name: where files are merged, Compose gives them as a list."""
    if isinstance(environment, Mapping):
        return dict(environment)
    pairs = (str(entry).partition("=") for entry in environment)
    return {name: value if equals else None for name, equals, value in pairs}


def _require_image(where: str, name: str, service: Mapping[str, Any]) -> None:
    image = str(service.get("image") or "")
    if image and not ("build" in service and "$" not in image and "@sha256:" not in image):
        return
    reason = "`build`" if "build" in service else "no image"
    raise UsageError(
        f"{where} would be built when it is deployed: it has {reason}",
        hint=f"make {name} a service of [tool.buildonce.services] and write  image: "
        f"${{{image_variable(name)}}}  there, or give it an image that exists; remove `build`",
    )


def _from_files(sources: Sources, where: str, files: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Give the variables of a service's environment files, in order."""
    for file in files:
        path = sources.file(str(file["path"]))
        if path is None:
            if file.get("required", True):
                raise UsageError(
                    f"{where} needs {file['path']}, which is not in this commit",
                    hint="commit it, mark it `required: false`, or set its variables under "
                    "`environment`: environment files are part of a release",
                )
            continue
        yield from sources.variables(path).items()


def _volume(where: str, volume: dict[str, Any]) -> Any:
    if not is_repository_mount(volume):
        return mount(volume)
    raise UsageError(
        f"{where} mounts {volume['source']}, a path of the repository: hosts do not have it",
        hint="use `configs` for files, a named volume for data, or an absolute path of the host",
    )


def _config(sources: Sources, name: str, config: dict[str, Any]) -> dict[str, Any]:
    if "file" not in config or PurePosixPath(str(config["file"])).is_absolute():
        return config
    path = sources.file(str(config["file"]))
    if path is None:
        raise UsageError(
            f"{sources.files[0]}: the config {name} needs {config['file']}, which is not in this "
            "commit",
            hint="commit it: configs are part of a release",
        )
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"{sources.files[0]}: the config {name} is not text: {config['file']}",
            hint="put binary files into an image",
        ) from None
    rest = {key: value for key, value in config.items() if key != "file"}
    return {**rest, "content": content.replace("$", "$$")}


def _require_portable_secret(sources: Sources, name: str, secret: Mapping[str, Any]) -> None:
    file = str(secret.get("file", ""))
    if is_relative(file):
        raise UsageError(
            f"{sources.files[0]}: the secret {name} is the file {file}, which no release has",
            hint="use `environment: NAME` (Compose), `external: true` (Swarm), or an absolute path",
        )


def _with_defaults(text: str, defaults: Mapping[str, str]) -> str:
    """Return a definition whose variables have these values where nothing else sets them."""

    def with_default(name: str) -> str | None:
        if name not in defaults or "}" in defaults[name]:
            return None
        return f"${{{name}:-{defaults[name]}}}"

    return fill(text, with_default) if defaults else text
