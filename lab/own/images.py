"""The two images that Beacon stands on, made of Debian packages and pushed to a registry.

An image is one layer, one configuration and one manifest, all of them functions of the recipe
and of the packages' bytes: the same cache gives the same digest in every lab.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.registry import Client, digest_of
from lab.shell import run

SUITE = "trixie"
UNFINISHED = ".making-"
EPOCH = 1735689600  # 2025-01-01, the date of every file made by a recipe
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
LOCAL_CAS = Path("/usr/local/share/ca-certificates")

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
# unpacked in an eighth of gzip's time, on each of the lab's new engines
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"
LEVEL = "-12"

# as in the public slim images
DPKG_OPTIONS = (
    "force-unsafe-io",
    *(f"path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "info", "locale")),
    "path-include=/usr/share/doc/*/copyright",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An image to make of Debian packages: what is in it, and how it starts."""

    repository: str
    tag: str
    packages: tuple[str, ...]
    script: str
    config: dict[str, object]
    variant: str = "minbase"


TRUST = {
    "SSL_CERT_FILE": str(CA_BUNDLE),
    "PIP_CERT": str(CA_BUNDLE),
    "REQUESTS_CA_BUNDLE": str(CA_BUNDLE),
}

PYTHON = Recipe(
    repository="library/python",
    tag="3.13-slim",
    packages=("python3", "python3-pip", "python3-venv", "ca-certificates", "netbase", "tzdata"),
    # the public image lets pip install without a virtual environment, and has these names
    script="""
        rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED
        for name in python python3; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done
        for name in pip pip3; do ln -s /usr/bin/pip3 "$1/usr/local/bin/$name"; done
        rm -rf "$1/usr/share/python3/debpython/__pycache__"
    """,
    config={
        "Env": [
            "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
            *(f"{name}={value}" for name, value in TRUST.items()),
        ],
        "Cmd": ["python3"],
    },
)

STORE = Recipe(
    repository="valkey/valkey",
    tag="8-alpine",
    packages=("valkey-server", "valkey-tools", "ca-certificates"),
    # like the public image: options may be given alone, and other hosts may connect
    script="""
        cat >"$1/usr/local/bin/docker-entrypoint.sh" <<'END'
#!/bin/sh
set -e
case "$1" in -*) set -- valkey-server "$@" ;; esac
[ "$1" != valkey-server ] || set -- "$@" --protected-mode no
exec "$@"
END
        chmod 755 "$1/usr/local/bin/docker-entrypoint.sh"
        chroot "$1" install -d -o valkey -g valkey /data
    """,
    config={
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "User": "valkey",
        "WorkingDir": "/data",
        "Volumes": {"/data": {}},
        "ExposedPorts": {"6379/tcp": {}},
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["valkey-server"],
    },
)


PAUSE = Recipe(
    repository="library/busybox",
    tag="stable",
    packages=("busybox-static",),
    variant="extract",
    # a hundred pods of it weigh nothing; its command sleeps, as a pod's sandbox has to
    script="""
        for name in $("$1/usr/bin/busybox" --list); do ln -s busybox "$1/usr/bin/$name"; done
        ln -s usr/bin "$1/bin"
    """,
    config={"Env": ["PATH=/usr/bin"], "Cmd": ["sleep", "infinity"]},
)


def cached(recipe: Recipe, cache: Path) -> bool:
    """Whether `make` has nothing to do."""
    return (_folder(recipe, cache) / "manifest.json").is_file()


def make(recipe: Recipe, cache: Path, mirror: str) -> None:
    """Make the image in `cache` from packages of the Debian `mirror`.

    Raises:
        LabError: mmdebstrap failed, with what it said.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=UNFINISHED) as scratch:
        folder = Path(scratch) / "image"
        folder.mkdir()
        _bootstrap(recipe, folder / "layer.tar", mirror)
        _describe(recipe, folder)
        target = _folder(recipe, cache)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)


def digest(recipe: Recipe, cache: Path) -> str:
    """The digest of the image in `cache`."""
    return digest_of(_folder(recipe, cache) / "manifest.json")


def push(recipe: Recipe, cache: Path, registry: Client) -> None:
    """Push the image from `cache`.

    Raises:
        LabError: the registry refused a part of it.
    """
    folder = _folder(recipe, cache)
    for part in ("layer.tar.zst", "config.json"):
        registry.push_blob(recipe.repository, folder / part)
    manifest = (folder / "manifest.json").read_bytes()
    registry.push_manifest(recipe.repository, recipe.tag, MANIFEST_TYPE, manifest)


def _folder(recipe: Recipe, cache: Path) -> Path:
    trusted = sorted([CA_BUNDLE, *LOCAL_CAS.glob("*.crt")]) if CA_BUNDLE.exists() else []
    ingredients = [
        repr(recipe),
        repr(DPKG_OPTIONS),
        LAYER_TYPE + LEVEL,
        SUITE,
        str(EPOCH),
        *(digest_of(path) for path in trusted),
    ]
    key = hashlib.sha256("\n".join(ingredients).encode()).hexdigest()[:12]
    return cache / f"{recipe.repository.rpartition('/')[2]}-{key}"


def _bootstrap(recipe: Recipe, tarball: Path, mirror: str) -> None:
    command = ["mmdebstrap", "--quiet", f"--variant={recipe.variant}", "--mode=root"]
    command += [f"--include={','.join(recipe.packages)}"]
    if LOCAL_CAS.is_dir():
        command += [f"--customize-hook=sync-in {LOCAL_CAS} {LOCAL_CAS}"]
    if CA_BUNDLE.exists():
        command += [f"--customize-hook=copy-in {CA_BUNDLE} {CA_BUNDLE.parent}"]
    # where packages are only extracted, nothing is customized
    hook = "extract" if recipe.variant == "extract" else "customize"
    command += [f"--{hook}-hook={recipe.script}"]
    command += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    run([*command, SUITE, str(tarball), mirror], env={"SOURCE_DATE_EPOCH": str(EPOCH)})


def _describe(recipe: Recipe, folder: Path) -> None:
    tarball, layer = folder / "layer.tar", folder / "layer.tar.zst"
    diff_id = digest_of(tarball)
    run(["zstd", "--quiet", "--rm", "--threads=0", LEVEL, str(tarball), "-o", str(layer)])
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "created": "2025-01-01T00:00:00Z",
        "config": recipe.config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": f"mmdebstrap {SUITE}"}],
    }
    (folder / "config.json").write_text(json.dumps(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(CONFIG_TYPE, folder / "config.json"),
        "layers": [_descriptor(LAYER_TYPE, layer)],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def _descriptor(media_type: str, path: Path) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(path), "size": path.stat().st_size}
