"""Documents whose commands are run as written, in a monorepo made of the files that they show.

A code block whose fence names a file (```` ```toml pyproject.toml ````) is that file. A
```` ```console ```` block is a session: lines that begin with ``$`` are commands, those between
them are lines to be found in what the command prints. There, ``…`` stands for anything, and
commit ids, digests, times and ``ghcr.io/acme`` for the run's own. A command has to succeed,
unless the next one is ``echo $?``. A further word on the fence names what happens before.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import lab
from tests.kit.monorepo import as_person, environment
from tests.kit.registry_wire import Images
from tests.kit.repository import ROOT

ADOPT = ROOT / "docs/adopt.md"
REGISTRY = "ghcr.io/acme"
BUILD_AND_STAGE = ("build", "--sha=HEAD", "promote", "staging")

FENCED = re.compile(r"^```(?P<info>.*)\n(?P<content>(?s:.*?))^```$", re.MULTILINE)
VARYING = {
    "…": ".*",
    r"\b[0-9a-f]{7,}\b": "[0-9a-f]+",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?": r"[\d-]{10}.[\d:]{5,8}",
    r"\b\d+\.\d+ s\b": r"[\d.]+ s",
}
TOKENS = re.compile(f"({'|'.join(VARYING)})")


@dataclass(frozen=True)
class Block:
    """A fenced block: the words after its fence, and its lines."""

    info: list[str]
    content: str


@dataclass(frozen=True)
class Monorepo:
    """A scratch monorepo with a remote, and the lab's registry in the place of ghcr.io."""

    root: Path
    registry: str
    env: dict[str, str]

    def write_files(self, document: Path) -> None:
        """Write the files that a document shows."""
        for block in blocks(document):
            if block.info[0] != "console" and len(block.info) == 2:
                path = self.root / block.info[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.content.replace(REGISTRY, self.registry))

    def commit(self, message: str) -> None:
        """Commit everything and push it."""
        self.succeed("git", "add", "--all")
        self.succeed("git", "commit", "--quiet", "--allow-empty", f"--message={message}")
        self.succeed("git", "push", "--quiet", "origin", "main")

    def release(self, message: str) -> None:
        """Commit, build and promote to both environments."""
        self.commit(message)
        self.succeed("inv", *BUILD_AND_STAGE, "promote", "production")

    def push_by_hand(self, tag: str) -> None:
        """Push the first release's shop as another tag, as anybody could who may push."""
        host, _, path = self.registry.partition("/")
        shop = Images(host, f"{path}/shop")
        first = self.succeed("git", "rev-list", "--max-parents=0", "HEAD")
        shop.put(tag, shop.require(first[:12]))

    def shell(self, command: str) -> tuple[int, str]:
        """Run a command line; return its status and what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def succeed(self, *argv: str) -> str:
        """Run a program that is expected to succeed; return what it printed."""
        done = subprocess.run(argv, cwd=self.root, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()


Events = Mapping[str, Callable[[Monorepo], None]]
"""What happens before a session, by the word on its fence."""


def begin(folder: Path, running: lab.Lab) -> Monorepo:
    """Make a monorepo of the files that docs/adopt.md shows, not yet committed."""
    registry = f"{running.registry}/{folder.name}"
    overrides = json.loads(running.overrides())
    overrides["buildonce"]["registry"] = registry
    settings = folder / "lab.json"
    settings.write_text(json.dumps(overrides))
    env = {
        **environment(running),
        **as_person("somebody", "somebody@example.org"),
        "INVOKE_RUNTIME_CONFIG": str(settings),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    made = Monorepo(folder / "acme", registry, env)
    made.root.mkdir()
    made.succeed("git", "init", "--quiet", "--bare", "--initial-branch=main", "../origin.git")
    made.succeed("git", "init", "--quiet", "--initial-branch=main")
    made.succeed("git", "remote", "add", "origin", "../origin.git")
    made.write_files(ADOPT)
    return made


def follow(document: Path, monorepo: Monorepo, events: Events) -> None:
    """Do what a document says, from its beginning to its end; `events` by their names."""
    for block in blocks(document):
        if block.info[0] == "console":
            for word in block.info[1:]:
                events[word](monorepo)
            check_session(block, monorepo)


def check_session(block: Block, monorepo: Monorepo) -> None:
    status = 0
    for (command, shown), (following, _) in pairwise([*session(block), ("", [])]):
        status, output = monorepo.shell(f"(exit {status})\n{command}")
        assert status == 0 or following == "echo $?", f"$ {command}\n{output}"
        for line in shown:
            pattern = expected(line, monorepo.registry)
            assert re.search(pattern, squeezed(output)), f"$ {command}\n{output}\nlacks: {line}"


def session(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that it is shown to print."""
    _, *parts = re.split(r"^\$ ", block.content, flags=re.MULTILINE)
    for part in parts:
        command, *shown = part.strip().splitlines()
        yield command, [line for line in shown if line.strip(" …")]


def expected(line: str, registry: str) -> str:
    """The pattern that a line of the document stands for."""
    text = squeezed(line.replace(REGISTRY, registry)).strip()
    return "".join(
        anything_like(part) if TOKENS.fullmatch(part) else re.escape(part)
        for part in TOKENS.split(text)
    )


def anything_like(shown: str) -> str:
    return next(value for pattern, value in VARYING.items() if re.fullmatch(pattern, shown))


def squeezed(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)


def blocks(document: Path) -> Iterator[Block]:
    for match in FENCED.finditer(document.read_text()):
        yield Block(match["info"].split() or [""], match["content"])


def a_commit(monorepo: Monorepo) -> None:
    """Somebody goes on with the shop."""
    with (monorepo.root / "shop/shop.py").open("a") as source:
        source.write('print("and more")\n')
    monorepo.commit("Go on")


def a_broken_commit(monorepo: Monorepo) -> None:
    """Somebody breaks the shop."""
    (monorepo.root / "shop/shop.py").write_text('raise SystemExit("no prices")\n')
    monorepo.commit("Break it")
