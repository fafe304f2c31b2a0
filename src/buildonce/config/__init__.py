"""``[tool.buildonce]`` of ``pyproject.toml``, validated into frozen types.

The table is the lowest level of Invoke's configuration hierarchy: ``invoke.yaml``,
``INVOKE_BUILDONCE_…`` variables and ``-f FILE`` override it before it is validated here.
"""

from buildonce.config.committed import as_committed
from buildonce.config.environments import Environment, Freeze
from buildonce.config.reading import PROJECT_FILE, parse, read_table, table_in
from buildonce.config.services import BuildSecret, Service
from buildonce.config.tables import Project, Prune, suggest
from buildonce.config.writing import with_bases

__all__ = [
    "PROJECT_FILE",
    "BuildSecret",
    "Environment",
    "Freeze",
    "Project",
    "Prune",
    "Service",
    "as_committed",
    "parse",
    "read_table",
    "suggest",
    "table_in",
    "with_bases",
]
