"""Which certificates are believed: the system's, those of docker, those of Python's tools."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from buildonce.errors import UsageError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trust(host: str) -> ssl.SSLContext:
    """Return what a connection to ``host`` (with its port, if it has one) is checked against.

    The system's authorities, or those of ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, as OpenSSL
    reads them; those of ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``, as Requests does; and the
    registry's own in docker's ``certs.d`` (docs.docker.com, "Verify repository client with
    certificates"): ``*.crt`` are authorities, ``*.cert`` with ``*.key`` is who we are.

    Raises:
        UsageError: a file of certificates cannot be read.
    """
    context = ssl.create_default_context()
    for variable in _BUNDLES:
        if named := os.environ.get(variable):
            _believe(context, Path(named), f"{variable} names it")
    for folder in _folders(host):
        for authority in sorted(folder.glob("*.crt")):
            _believe(context, authority, "docker's certificates")
        for certificate in sorted(folder.glob("*.cert")):
            _present(context, certificate)
    return context


def _folders(host: str) -> Iterator[Path]:
    """Docker's places: the engine's, a rootless engine's, and Docker Desktop's."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for place in (Path("/etc/docker"), settings / "docker", Path.home() / ".docker"):
        yield place / "certs.d" / host


def _believe(context: ssl.SSLContext, authorities: Path, where: str) -> None:
    try:
        if authorities.is_dir():
            context.load_verify_locations(capath=str(authorities))
        else:
            context.load_verify_locations(cafile=str(authorities))
    except OSError as error:
        raise _unreadable(authorities, where, error) from None


def _present(context: ssl.SSLContext, certificate: Path) -> None:
    try:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    except OSError as error:
        raise _unreadable(certificate, "docker's certificates", error) from None


def _unreadable(file: Path, where: str, error: OSError) -> UsageError:
    return UsageError(
        f"the certificates in {file} cannot be read ({where}): {error.strerror or error}",
        hint=f"openssl x509 -noout -subject -in {file}   (must be PEM)",
    )
