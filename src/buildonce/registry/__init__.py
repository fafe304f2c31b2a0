"""The registry, over the OCI distribution API: bytes are read, hashed and written as they are."""

from buildonce.registry.client import Manifest, Registry

__all__ = ["Manifest", "Registry"]
