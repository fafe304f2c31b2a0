"""A registry whose certificate is of a private authority, and where that may be made known."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from buildonce.errors import UnavailableError, UsageError
from buildonce.refs import ImageRef, Repository, digest_of
from buildonce.registry import Registry
from tests.kit.certificates import Certificates, issue

MANIFEST = b'{"schemaVersion": 2}'
HERE = "0.0.0.0"
"""This machine, by an address that is not taken for loopback, where TLS is not asked for."""


@dataclass(frozen=True)
class Private:
    """A registry that only a private authority vouches for."""

    address: str
    certificates: Certificates

    @property
    def tag(self) -> ImageRef:
        return Repository(self.address, "shop/web").tag("staging")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(MANIFEST)))
        self.end_headers()
        self.wfile.write(MANIFEST)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    certificates = issue(tmp_path_factory.mktemp("certificates"), HERE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.key)
    server = ThreadingHTTPServer((HERE, 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Private(f"{HERE}:{server.server_port}", certificates)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a machine that know nothing of the authority, and no proxy."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", HERE)
    return tmp_path


def test_an_unknown_authority_is_not_believed(private: Private) -> None:
    """Where nobody vouches for the registry, nothing is read from it."""
    with pytest.raises(UnavailableError, match=private.address):
        Registry().digest(private.tag)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_variables_of_python_and_openssl_count(
    private: Private, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority that Requests or OpenSSL would believe is believed."""
    monkeypatch.setenv(variable, str(private.certificates.authority))
    assert Registry().digest(private.tag) == digest_of(MANIFEST)


@pytest.mark.parametrize("place", [".docker", ".config/docker"])
def test_dockers_own_folders_count(private: Private, place: str, at_home: Path) -> None:
    """An authority in a ``certs.d`` folder of docker's is believed, for that registry."""
    folder = at_home / place / "certs.d" / private.address
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(private.certificates.authority.read_bytes())
    assert Registry().digest(private.tag) == digest_of(MANIFEST)


def test_another_registrys_folder_does_not_count(private: Private, at_home: Path) -> None:
    """An authority that docker believes for one registry is not believed for others."""
    folder = at_home / ".docker/certs.d/registry.example.org"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(private.certificates.authority.read_bytes())
    with pytest.raises(UnavailableError, match=private.address):
        Registry().digest(private.tag)


def test_a_variable_that_names_no_file_is_named(
    private: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelled path is a usage error that names the variable and the file."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match=r"/nowhere/ca.pem .*REQUESTS_CA_BUNDLE"):
        Registry().digest(private.tag)
