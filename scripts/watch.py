"""Runs a command now and again after every change of the sources, until Ctrl-C.

    python3 scripts/watch.py COMMAND...
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Dict, Tuple

import processes
from file_size import SKIPPED_FOLDERS
from processes import Interrupted
from progress import exit_with, say

ROOT = Path(__file__).resolve().parent.parent
WATCHED_SUFFIXES = (".rs", ".toml", ".py", ".lock")
POLL_SECONDS = 0.5

State = Dict[str, Tuple[int, int]]


def state_of_sources() -> State:
    """When each source file was last changed, and how long it is."""
    state: State = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in files:
            if name.endswith(WATCHED_SUFFIXES):
                path = os.path.join(folder, name)
                try:
                    info = os.stat(path)
                except OSError:
                    continue  # Removed while we look.
                state[path] = (info.st_mtime_ns, info.st_size)
    return state


def main() -> int:
    """Watches and runs; the exit code is that of the last Ctrl-C, 0."""
    command = sys.argv[1:]
    if not command:
        print("usage: python3 scripts/watch.py COMMAND...", file=sys.stderr)
        return 2
    processes.raise_on_signals()
    try:
        while True:
            seen = state_of_sources()
            processes.run(command, cwd=ROOT)
            say("waiting for a change of the sources; Ctrl-C ends")
            while state_of_sources() == seen:
                time.sleep(POLL_SECONDS)
    except Interrupted:
        return 0


if __name__ == "__main__":
    exit_with(main)
