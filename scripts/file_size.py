"""Checks that no source file has grown too long to be proof-read in one sitting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

from progress import exit_with, say

ROOT = Path(__file__).resolve().parent.parent
SOURCE_SUFFIXES = (".rs", ".py", ".sh", ".js", ".css")
MAX_LINES = 500
SKIPPED_FOLDERS = {".git", "target", ".tools", ".conduit", ".conduit-demo", "__pycache__", "node_modules", ".venv"}


def source_files() -> Iterator[Path]:
    """Every source file of the project, sorted, but nothing that is built or fetched."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(files):
            if name.endswith(SOURCE_SUFFIXES):
                yield Path(folder) / name


def main() -> int:
    """Names each file that is too long; the exit code is 1 if there is one."""
    checked = too_long = 0
    for path in source_files():
        with path.open("rb") as source:
            lines = sum(1 for _ in source)
        checked += 1
        if lines > MAX_LINES:
            too_long += 1
            say(f"error: {path.relative_to(ROOT)} has {lines} lines; at most {MAX_LINES}: split it by concept")
    print(f"file size: {checked} source files, {too_long} of more than {MAX_LINES} lines")
    return 1 if too_long else 0


if __name__ == "__main__":
    exit_with(main)
