"""Install what the lab needs from the machine's own Debian mirror, sources left as they are.

The engine comes from a later suite than the machine's (Debian 12 has none with Buildx). That
suite is named in an apt configuration of its own, used for this one installation, so neither
the machine's sources nor its later upgrades change.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.shell import environment, run

ENGINE_SUITE = "forky"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PLUGINS = ("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins")

# what proves that a package is there: a command, or a plugin of the docker client
IMAGE_TOOLS = {"mmdebstrap": "mmdebstrap", "zstd": "zstd"}
FROM_ENGINE_SUITE = {
    "docker.io": "dockerd",
    "docker-cli": "docker",
    "docker-buildx": "docker-buildx",
    "docker-compose": "docker-compose",
    "containerd": "containerd",
    "tini-static": "tini-static",
    "crane": "crane",
}
# only unpacked: to install it, older releases of Debian lack what its set-up needs
ETCD = "etcd-server"
FOR_KUBERNETES = {
    "kubectl": "kubectl",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
}
FROM_OWN_SUITE = {
    "runc": "runc",
    "iptables": "iptables",
    "iproute2": "ip",
    "skopeo": "skopeo",
}
REGISTRY = {"docker-registry": "docker-registry"}


def missing_image_tools() -> list[str]:
    """The packages for making images that are not installed."""
    return _missing(IMAGE_TOOLS)


def missing_programs(*, engine: bool) -> list[str]:
    """The packages for running the registry, and with `engine` engines, that are not installed."""
    return _missing({**FROM_ENGINE_SUITE, **FROM_OWN_SUITE, **REGISTRY} if engine else REGISTRY)


def missing_kubernetes() -> list[str]:
    """The packages for running a cluster that are not installed."""
    return _missing(FOR_KUBERNETES)


def refresh(apt_directory: Path) -> None:
    """Fetch apt's lists for `install` into `apt_directory`.

    Raises:
        LabError: the machine's apt sources name no Debian mirror, or it does not answer.
    """
    _configure(apt_directory)
    run(["apt-get", "update", "-q"], env=_apt_environment(apt_directory))


def install(packages: Sequence[str], apt_directory: Path) -> None:
    """Install `packages` by the lists that `refresh` has put into `apt_directory`.

    Raises:
        LabError: apt could not install them.
    """
    if packages:
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
        run(command, env=_apt_environment(apt_directory))


def unpack(package: str, target: Path, apt_directory: Path) -> None:
    """Put a package's files into `target`, by the lists of `refresh`, without installing it.

    Raises:
        LabError: apt could not fetch it.
    """
    with tempfile.TemporaryDirectory(dir=apt_directory) as scratch:
        fetch = ["env", f"--chdir={scratch}", "apt-get", "download", "-q", package]
        run(fetch, env=_apt_environment(apt_directory))
        (archive,) = Path(scratch).glob("*.deb")
        unpacked = Path(scratch) / "unpacked"
        run(["dpkg-deb", "--extract", str(archive), str(unpacked)])
        unpacked.rename(target)


def mirror() -> str:
    """The address of the Debian mirror that this machine's apt uses.

    Raises:
        LabError: apt knows no Debian source of the machine's own suite.
    """
    address = _known_mirror()
    if not address:
        # apt tells what its sources are only once it has read them
        run(["apt-get", "update", "-q"])
        address = _known_mirror()
    if not address:
        raise LabError(
            f"apt has no source for Debian {_own_suite()}, so the lab cannot tell where its "
            "mirror is; add one under /etc/apt/sources.list.d and run the command again"
        )
    return address


def _known_mirror() -> str:
    suite = _own_suite()
    targets = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"]
    for line in run([*targets, "Created-By: Packages"]).splitlines():
        release, _, address = line.partition(" ")
        if release == suite:
            return address
    return ""


def _own_suite() -> str:
    release = dict(
        line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines()
    )
    return release.get("VERSION_CODENAME", "").strip('"')


def _missing(packages: dict[str, str]) -> list[str]:
    path = environment()["PATH"] + ":" + ":".join(PLUGINS)
    return [name for name, program in packages.items() if not shutil.which(program, path=path)]


def _apt_environment(directory: Path) -> dict[str, str]:
    return {
        "APT_CONFIG": str(directory / "apt.conf"),
        "DEBIAN_FRONTEND": "noninteractive",
        # installing must not start the distribution's own engine or registry
        "SYSTEMD_OFFLINE": "1",
    }


def _configure(directory: Path) -> None:
    sources, preferences, lists = (directory / part for part in ("sources", "preferences", "lists"))
    for part in (sources, preferences, lists / "partial"):
        part.mkdir(parents=True, exist_ok=True)
    address = mirror()
    (sources / "lab.sources").write_text(
        f"Types: deb\nURIs: {address}\nSuites: {_own_suite()} {ENGINE_SUITE}\n"
        f"Components: main\nSigned-By: {KEYRING}\n"
    )
    (preferences / "lab").write_text(
        f"Package: *\nPin: release n={ENGINE_SUITE}\nPin-Priority: -1\n\n"
        f"Package: {' '.join([*FROM_ENGINE_SUITE, *FOR_KUBERNETES, ETCD])}\n"
        f"Pin: release n={ENGINE_SUITE}\nPin-Priority: 990\n"
    )
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": str(sources),
        "Dir::Etc::PreferencesParts": str(preferences),
        "Dir::State::Lists": str(lists),
        "DPkg::Lock::Timeout": "120",
    }
    (directory / "apt.conf").write_text(
        "".join(f"{key} {json.dumps(value)};\n" for key, value in settings.items())
    )
