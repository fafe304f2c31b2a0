"""The programs that Kubernetes consists of, from the folder that $BUILDONCE_KUBERNETES names.

The folder has them by their own names, or all but CoreDNS as one program, `kube`, that acts as
the name it is called by. Each may be compressed, with the ending `.xz`.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.place import cache, locked

VARIABLE = "BUILDONCE_KUBERNETES"
COMBINED = "kube"
COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
)
DNS = "coredns"


def ensure() -> Path:
    """A folder with every program by its own name; compressed ones are unpacked once.

    Raises:
        LabError: $BUILDONCE_KUBERNETES is not set, or names a folder that lacks a program.
    """
    files = require()
    target = cache() / f"kubernetes-{_key(files.values())}"
    with locked(cache()):
        if not target.exists():
            _unpack(files, target)
    return target


def require() -> dict[str, Path]:
    """The file that each program is in, by the program's name.

    Raises:
        LabError: $BUILDONCE_KUBERNETES is not set, or names a folder that lacks a program.
    """
    if not (chosen := os.environ.get(VARIABLE)):
        raise LabError(
            f"${VARIABLE} is not set: it names a folder with {', '.join(COMPONENTS)} and {DNS}, "
            "as Kubernetes and CoreDNS release them for Linux"
        )
    source = Path(chosen).resolve()
    return {name: _find(source, name) for name in (*COMPONENTS, DNS)}


def _find(source: Path, name: str) -> Path:
    alternatives = [name, f"{name}.xz"]
    if name in COMPONENTS:
        alternatives += [COMBINED, f"{COMBINED}.xz"]
    for alternative in alternatives:
        if (source / alternative).is_file():
            return source / alternative
    raise LabError(f"{source}, which ${VARIABLE} names, has no {' or '.join(alternatives)}")


def _key(files: Iterable[Path]) -> str:
    """What changes with the files: their paths, sizes and times of modification."""
    seen = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:12]


def _copy(source: Path, target: Path) -> None:
    opened = lzma.open if source.suffix == ".xz" else open
    with opened(source, "rb") as packed, target.open("wb") as program:
        shutil.copyfileobj(packed, program, 1 << 20)


def _unpack(files: dict[str, Path], target: Path) -> None:
    fresh = target.with_name(f".unpacking-{target.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    unpacked: dict[Path, Path] = {}
    for name, source in files.items():
        if source in unpacked:
            (fresh / name).hardlink_to(unpacked[source])
            continue
        unpacked[source] = fresh / name
        _copy(source, fresh / name)
        (fresh / name).chmod(0o755)
    fresh.rename(target)
