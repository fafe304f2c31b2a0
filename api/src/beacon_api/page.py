"""The page that shows targets, results and the version."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from beacon_libs.models import Result, WatchedTarget

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>Beacon</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .8rem; border-bottom: 1px solid #ddd }}
.up {{ color: #176639 }} .down {{ color: #a3201d }} .unknown, footer {{ color: #666 }}
</style>
</head>
<body>
<h1>Beacon</h1>
<table>
<tr><th>Address</th><th>Latest result</th><th>Latency</th><th>Probed at</th></tr>
{rows}
</table>
<footer><p>api at revision <code>{revision}</code></p></footer>
</body>
</html>
"""
ROW = '<tr><td>{url}</td><td class="{state}">{outcome}</td><td>{latency}</td><td>{at}</td></tr>'
EMPTY = '<tr><td colspan="4" class="unknown">Nothing is watched: POST /targets adds one.</td></tr>'


def render(targets: Sequence[WatchedTarget], revision: str) -> str:
    """Return the page's HTML."""
    rows = "\n".join(map(render_row, targets)) or EMPTY
    return PAGE.format(rows=rows, revision=escape(revision))


def render_row(target: WatchedTarget) -> str:
    """Return a target's table row."""
    if not target.results:
        return ROW.format(
            url=escape(target.url), state="unknown", outcome="not probed yet", latency="", at=""
        )
    latest = target.results[0]
    return ROW.format(
        url=escape(target.url),
        state="up" if latest.up else "down",
        outcome=escape(outcome(latest)),
        latency=f"{latest.latency_ms:.0f} ms",
        at=f"{latest.at:%Y-%m-%d %H:%M:%S} UTC",
    )


def outcome(result: Result) -> str:
    """Say in words what a probe found."""
    return f"HTTP {result.status}" if result.status is not None else result.error or "no answer"
