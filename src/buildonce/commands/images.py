"""``inv images``: a release's images by digest, for those who deploy with something else."""

from __future__ import annotations

from buildonce.app import App
from buildonce.commands.releases import required_release, sha_of
from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.gates import require_complete
from buildonce.report.references import FORMATS


def images(app: App, name: str, form: str) -> None:
    """Print the images of what an environment runs, or of a commit's release.

    Raises:
        UsageError: there is no such format.
        PreconditionError: the environment runs nothing, or not all of the commit was built.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form}: must be one of {', '.join(FORMATS)}")
    snapshot = app.ledger.read()
    release = required_release(snapshot, _sha_of(app, snapshot, name))
    require_complete(release)
    if name in app.project.environments:
        release = app.targets.pulled(name, release.only(snapshot.environment(name).services))
    references = {service: image.ref for service, image in sorted(release.services.items())}
    environment = app.project.environments.get(name)
    print(FORMATS[form](references, environment.images if environment else {}), end="")


def _sha_of(app: App, snapshot: Snapshot, name: str) -> str:
    if name not in app.project.environments:
        return sha_of(app, snapshot, name)
    sha = snapshot.environment(name).release
    if sha is None:
        raise PreconditionError(f"{name} runs nothing yet", hint=f"inv promote {name}")
    return sha
