"""Pictures for the README, made from what the demo really printed and really did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

RECORDED = "One line changes"
WIDTH = 108
WINDOW = "1180,1000"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


@dataclass(frozen=True)
class Recording:
    """Draws one scene of a console, and the report of a clone, into files of a folder.

    Without a folder nothing is drawn.
    """

    folder: Path | None
    console: Console

    @contextmanager
    def scene(self, title: str) -> Iterator[None]:
        """Draw what is printed in the block, if this is the scene to record."""
        if self.folder is None or title != RECORDED:
            yield
            return
        self.console.record = True
        yield
        self.console.record = False
        drawn = self.console.export_svg(title="buildonce", unique_id="demo")
        drawn = "\n".join(map(str.rstrip, _WEB_FONT.sub("", drawn).splitlines()))
        self._path("demo.svg").write_text(drawn + "\n", encoding="utf-8")

    def report(self, clone: Path, environment: Mapping[str, str]) -> None:
        """Take a picture of the page that `inv report` writes.

        Raises:
            LookupError: there is no browser.
        """
        if self.folder is None:
            return
        with tempfile.TemporaryDirectory(prefix="buildonce-report-") as page:
            command = ["inv", "report", "--output", page]
            subprocess.run(command, cwd=clone, env=dict(environment), check=True)
            _photograph(Path(page) / "index.html", self._path("report.png"))

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder.resolve() / name


def _photograph(page: Path, picture: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise LookupError("there is no Chromium here to show the report: apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    options = ["--headless", "--hide-scrollbars", f"--window-size={WINDOW}", *sandbox]
    command = [browser, *options, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
