"""The registry as the tests see it: plain HTTP, with no line of the library in between."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = ", ".join(
    [
        *(OCI_MANIFEST, OCI_INDEX),
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
)


@dataclass(frozen=True)
class Stored:
    """What a tag or digest names: its bytes and their media type."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.content)
        return parsed

    @property
    def layers(self) -> list[str]:
        return [layer["digest"] for layer in self.document["layers"]]

    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True)
class Images:
    """One repository of a registry."""

    registry: str
    path: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"

    def get(self, reference: str) -> Stored | None:
        status, headers, content = self._send("GET", f"manifests/{reference}")
        if status == 404:
            return None
        assert status == 200, (status, content)
        return Stored(content, headers["content-type"])

    def require(self, reference: str) -> Stored:
        stored = self.get(reference)
        assert stored is not None, f"{self}:{reference} is not there"
        return stored

    def put(self, reference: str, stored: Stored) -> None:
        headers = {"Content-Type": stored.media_type}
        status, _, said = self._send("PUT", f"manifests/{reference}", stored.content, headers)
        assert status == 201, said

    def delete(self, digest: str) -> None:
        """Remove a manifest, and with it every tag that names it."""
        status, _, said = self._send("DELETE", f"manifests/{digest}")
        assert status == 202, said

    def untag(self, tag: str) -> None:
        """Remove a tag alone: it gets a manifest that nothing else names, which is removed."""
        other = another(self.require(tag), "about to go")
        self.put(tag, other)
        self.delete(other.digest)

    def blob(self, digest: str) -> bytes:
        status, _, content = self._send("GET", f"blobs/{digest}")
        assert status == 200, (status, content)
        return content

    def put_blob(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        _, headers, _ = self._send("POST", "blobs/uploads/")
        address = headers["location"].partition(self.registry)[2]
        status, _, said = self._send("PUT", f"{address}&digest={digest}", content)
        assert status == 201, said
        return digest

    def delete_blob(self, digest: str) -> None:
        status, _, said = self._send("DELETE", f"blobs/{digest}")
        assert status == 202, said

    def config(self, reference: str) -> dict[str, Any]:
        stored = self.require(reference)
        parsed: dict[str, Any] = json.loads(self.blob(stored.document["config"]["digest"]))
        return parsed

    def labels(self, reference: str) -> dict[str, str]:
        """The image's labels, without the prefix of the OCI specification."""
        labels: dict[str, str] = self.config(reference)["config"]["Labels"]
        return {key.removeprefix("org.opencontainers.image."): labels[key] for key in labels}

    def file(self, reference: str, path: str) -> str | None:
        """The text of a file in the image; None where no layer has it."""
        for layer in reversed(self.require(reference).layers[1:]):
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.blob(layer)))) as tar:
                if path in tar.getnames():
                    found = tar.extractfile(path)
                    assert found is not None
                    return found.read().decode()
        return None

    def tags(self) -> dict[str, str]:
        """Every tag and the digest of what it names."""
        status, _, content = self._send("GET", "tags/list")
        listed = json.loads(content).get("tags") or [] if status == 200 else []
        return {tag: self.require(tag).digest for tag in listed}

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.registry, timeout=30)
        try:
            url = path if path.startswith("/") else f"/v2/{self.path}/{path}"
            connection.request(
                method, url, body=body, headers={"Accept": ACCEPT, **(headers or {})}
            )
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return response.status, received, response.read()
        finally:
            connection.close()


def another(stored: Stored, why: str) -> Stored:
    """A manifest of the same image with other bytes, and so with another digest."""
    document = {**stored.document, "annotations": {"why": why}}
    return Stored(json.dumps(document).encode(), stored.media_type)


def index_of(stored: Stored) -> Stored:
    """An index that wraps a manifest, as some tools leave it behind a tag."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [stored.descriptor()]}
    return Stored(json.dumps(index).encode(), OCI_INDEX)
