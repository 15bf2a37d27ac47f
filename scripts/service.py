"""Checks the unit of systemd: that systemd takes it, how much it shuts, that it drains.

    python3 scripts/service.py

Needs `systemd-analyze` (252 or newer for the second check) but no running
systemd; where there is none it says so and checks nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

from progress import Problem, exit_with, say

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "systemd" / "conduit-server.service"
PROGRAM = "/usr/local/bin/conduit-server"
# systemd's measure, from 0 (all shut) to 10; a unit that says nothing has 9.6.
MOST_EXPOSED = 1.5
# The server's SHUTDOWN_TIMEOUT when nothing is set, and what it gives open requests besides.
DRAIN_SECONDS = 35


def check(text: str) -> float:
    """Raises a `Problem` for a fault of the unit; returns how exposed it is."""
    stop = re.search(r"^TimeoutStopSec=(\d+)s$", text, re.MULTILINE)
    if stop is None or int(stop.group(1)) <= DRAIN_SECONDS:
        raise Problem(f"the unit's TimeoutStopSec is not over the {DRAIN_SECONDS} s that a stop may take")
    with tempfile.TemporaryDirectory() as folder:
        # The program need not be installed here: any other stands for it.
        unit = Path(folder) / UNIT.name
        unit.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
        said = _analyze(["verify", str(unit)])
        if said:
            raise Problem("systemd finds faults in the unit", said)
        said = _analyze(["security", "--offline=true", "--no-pager", str(unit)])
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    if found is None:
        raise Problem("systemd-analyze does not tell the unit's exposure", said)
    if float(found.group(1)) > MOST_EXPOSED:
        raise Problem(f"the unit's exposure is {found.group(1)}, over {MOST_EXPOSED}", "See: systemd-analyze security")
    return float(found.group(1))


def _analyze(arguments: List[str]) -> str:
    result = subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Problem(f"systemd-analyze {arguments[0]} failed", result.stdout.strip())
    return result.stdout.strip()


def main() -> int:
    """Checks the unit, where systemd-analyze is installed."""
    if shutil.which("systemd-analyze") is None:
        say("note: systemd-analyze is not installed; the unit is not checked")
        return 0
    print(f"{UNIT.name}: exposure {check(UNIT.read_text(encoding='utf-8'))} of 10", flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
