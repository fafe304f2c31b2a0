"""Where this project's own files lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
