"""What is measured of them: one changed line on a new runner, beside the workflow replaced."""

from __future__ import annotations

from bench import old
from bench.ground import Ground
from bench.measure import Sample, Samples
from bench.targets import TIMES, Played, Target

from .monorepo import SERVICES, make

TITLES = {
    "layers, old": "real layers: the old workflow, both jobs, new runners",
    "layers, cold": "real layers: inv build --sha, new runner, no cache anywhere",
    "layers, fresh": "real layers: inv build --sha, new runner, one line",
}


def play(ground: Ground, samples: Samples) -> Played:
    """Measure it once: the layers are large enough for that."""
    ground.renew_runner()
    project = make(ground)

    def changed() -> None:
        with (project.clone / SERVICES[0] / "src/app.py").open("a", encoding="utf-8") as file:
            file.write("print()\n")
        project.commit("Change")

    def fresh() -> Sample:
        ground.renew_runner()
        return project.inv("build", "--sha")

    samples.take("layers, cold", lambda: project.inv("build", "--sha"))
    changed()
    samples.take("layers, fresh", fresh)
    dockerfiles = {name: f"{name}/Dockerfile" for name in SERVICES}
    samples.take("layers, old", lambda: old.workflow(project, dockerfiles))
    seconds = samples.medians()
    faster = seconds["layers, old"] / seconds["layers, fresh"]
    name = "real layers: old workflow / one line, new runner"
    return Played(TITLES, [Target(name, TIMES, faster, 5, True)])
