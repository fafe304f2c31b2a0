"""Release tasks (`inv --list`), and the laboratory that Beacon is proven in (`inv lab.up`)."""

from buildonce.tasks import release_tasks
from lab.tasks import namespace as lab

namespace = release_tasks(__file__)
namespace.add_collection(lab, "lab")
