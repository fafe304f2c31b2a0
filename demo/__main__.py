"""`python -m demo [FOLDER]`: play it all in a lab of its own, and leave the machine as it was.

With a folder, pictures of it are left there.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

import lab

from . import pictures, recording, stage
from .player import Player, UnexpectedError
from .recording import Recording
from .scenes import Stage, scenes
from .scratch import Scratch, is_dirty

WIDTH_OF_FILES = 140


def main() -> int:
    """Play the demo; 0 only if everything went as told."""
    pictured = Path(sys.argv[1]) if sys.argv[1:] else None
    width = recording.WIDTH if pictured else None if sys.stdout.isatty() else WIDTH_OF_FILES
    console = Console(highlight=False, width=width)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="buildonce-demo-") as folder:
            _play(Path(folder), Recording(pictured, console))
    except KeyboardInterrupt:
        return 130
    except (UnexpectedError, lab.LabError, LookupError, ValueError) as error:
        console.print(f"[red]✗[/] the demo stopped: {escape(str(error))}", soft_wrap=True)
        return 1
    except subprocess.CalledProcessError as error:
        console.print(f"[red]✗[/] the demo stopped: git failed: {escape(str(error.cmd))}")
        return 1
    return 0


def _play(folder: Path, record: Recording) -> None:
    began, console = time.monotonic(), record.console
    console.rule("[bold]One build per commit, the same bytes everywhere[/]", style="cyan")
    scratch = Scratch.make(folder)
    first = scratch.sha
    console.print(f"\nThis commit is {first}, in a scratch clone with an origin of its own.")
    console.print("Of what the commands print, build logs and the like are left out.")
    if is_dirty():
        console.print("[yellow]•[/] uncommitted changes stay out of it: HEAD is what is played")
    with _lab(folder / "lab", console) as running:
        places = stage.environments()
        environment = stage.configure(running, folder, *places)
        try:
            _play_scenes(scratch, running, environment, places, record)
            record.report(scratch.clone, environment)
        finally:
            stage.clear(environment, *places)
    took = time.monotonic() - began
    console.print(f"[green]✓[/] all as told, in {took:.0f} s; the lab and the clone are gone again")


def _play_scenes(
    scratch: Scratch,
    running: lab.Lab,
    environment: Mapping[str, str],
    places: tuple[stage.Environment, stage.Environment],
    record: Recording,
) -> None:
    first, registry, console = scratch.sha, running.registry, record.console
    staging, production = places
    player = Player(scratch, environment, console)
    layers = partial(pictures.layers, registry, first)
    there = Stage(
        first, registry, staging.url, production.url, production.project,
        lambda: layers(scratch.sha),
    )  # fmt: skip
    for scene in scenes(there):
        with record.scene(scene.title):
            player.play(scene)
    console.rule("[bold]What happened[/]", align="left", style="cyan")
    console.print(Padding(pictures.times(player.played), (1, 0, 1, 2), expand=False))
    console.print(
        Padding(pictures.digests(registry, scratch.since(first)), (0, 0, 1, 2), expand=False)
    )


@contextmanager
def _lab(state: Path, console: Console) -> Iterator[lab.Lab]:
    """Have a lab of the demo's own: the one that somebody works in is left alone."""
    with lab.guarded(state):
        began = time.monotonic()
        running = lab.up(state=state)
        took = time.monotonic() - began
        console.print(f"A lab is up after {took:.1f} s: registry {running.registry}, an engine.")
        yield running


if __name__ == "__main__":
    sys.exit(main())
