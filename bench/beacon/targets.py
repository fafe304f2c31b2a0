"""What Beacon's figures are called, and what they should be."""

from __future__ import annotations

from bench.measure import Samples
from bench.targets import SECONDS, TIMES, Target

TITLES = {
    "legacy": "the old workflow, both jobs, new runners",
    "cold": "inv build --sha, new runner, no cache anywhere",
    "fresh": "inv build --sha, new runner, one line of api",
    "fresh, floor": "docker buildx bake of api after such a change",
    "warm": "inv build --sha, same runner, one line of api",
    "warm, floor": "docker buildx bake of api after such a change",
    "warm, libs": "inv build --sha, same runner, one line of libs",
    "warm, libs, floor": "docker buildx bake of both after such a change",
    "nothing": "inv build --sha, built already",
    "promote": "inv promote ENV",
    "promote, skopeo": "skopeo copy in a shell loop",
    "verify": "inv verify",
    "verify, skopeo": "skopeo inspect in a shell loop, hashed",
    "start": "Python's start: importing what a build imports",
    "version": "inv --version",
}


def targets(samples: Samples) -> list[Target]:
    """What is to be reached, and what was, by the medians of one run."""
    seconds = samples.medians()
    legacy, start = seconds["legacy"], seconds["start"]

    def beside_floor(name: str) -> float:
        return (seconds[name] - start) / seconds[f"{name}, floor"]

    released = seconds["fresh"] + 2 * seconds["promote"] + seconds["verify"]
    return [
        Target("old workflow / one line, new runner", TIMES, legacy / seconds["fresh"], 5, True),
        Target("old workflow / one line, same runner", TIMES, legacy / seconds["warm"], 10, True),
        Target("old workflow / build, promote twice, verify", TIMES, legacy / released, 5, True),
        Target("new runner / cold", TIMES, seconds["fresh"] / seconds["cold"], 1 / 3),
        Target("new runner less Python's start / bake", TIMES, beside_floor("fresh"), 1.15),
        Target("same runner less Python's start / bake", TIMES, beside_floor("warm"), 1.15),
        Target("libs, less Python's start / bake", TIMES, beside_floor("warm, libs"), 1.15),
        Target("nothing to do", SECONDS, seconds["nothing"], 1),
        Target("promote", SECONDS, seconds["promote"], 2),
        Target("verify", SECONDS, seconds["verify"], 2),
    ]
