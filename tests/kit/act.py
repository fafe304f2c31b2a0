"""Workflows run by act, without a network: jobs straight on this machine, artifacts in a folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path

TOOLS = Path(sys.executable).parent
UPLOADS = re.compile(r"uses: (actions/upload-artifact@[0-9a-f]{40}) ")

UPLOAD = """\
name: Keep an artifact
inputs: {{name: {{required: true}}, path: {{required: true}}}}
runs:
  using: composite
  steps:
    - shell: sh
      run: mkdir -p "{kept}" && cp -R "$FROM" "{kept}/$NAME"
      env: {{FROM: "${{{{ inputs.path }}}}", NAME: "${{{{ inputs.name }}}}"}}
"""


def command(event: str, workflow: Path, folder: Path) -> list[str]:
    """What runs a workflow; what it uploads comes to lie in `artifacts(folder)`."""
    stub = folder / "upload-artifact"
    stub.mkdir()
    (stub / "action.yml").write_text(UPLOAD.format(kept=artifacts(folder)))
    uploads = set(UPLOADS.findall(workflow.read_text()))
    return [
        *(str(TOOLS / "act"), event, f"--workflows={workflow}"),
        *("--platform=ubuntu-latest=-self-hosted", "--no-cache-server"),
        f"--action-cache-path={folder / 'act'}",
        *(f"--local-repository={action}={stub}" for action in uploads),
    ]


def artifacts(folder: Path) -> Path:
    """Where each artifact is, by its name."""
    return folder / "artifacts"
