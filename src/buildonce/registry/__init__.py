"""The registry, over the OCI distribution API: bytes are read, hashed and written as they are."""

from buildonce.registry.api import MissingRepositoryError
from buildonce.registry.client import Registry
from buildonce.registry.manifest import Manifest, family_of

__all__ = ["Manifest", "MissingRepositoryError", "Registry", "family_of"]
