"""Release tasks: `inv --list`."""

from buildonce.tasks import release_tasks

namespace = release_tasks(__file__)
