"""Tests the dashboard in a real Chromium, against a real server and database.

    python3 scripts/dashboard_e2e.py [--screenshots] [--server PROGRAM] [NAME...]

runs the scenarios of `scripts/e2e/`, or those whose names hold one of the NAMEs.
Chromium is taken from CONDUIT_CHROMIUM or the PATH, else installed if we may. With
`--screenshots` the pictures of the documentation are made anew. The last line is
`N passed, N failed, N skipped`; the exit code is not 0 if a scenario failed or none ran.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import List, Optional

import processes
import servers
import toolchain
import wheels
from counts import Counts
from e2e import browsing, chromium, delivering, editing, observing, signing_in  # noqa: F401  (scenarios add themselves)
from e2e.stage import SCENARIOS, Skipped, Theatre
from progress import exit_with, say

PICTURES = toolchain.ROOT / "docs" / "images"


def run(program: Path, names: List[str], pictures_folder: Optional[Path]) -> Counts:
    """Performs the scenarios and returns how it went."""
    wanted = [each for each in SCENARIOS if not names or any(name in each.name for name in names)]
    counts = Counts()
    folder = Path(tempfile.mkdtemp(prefix="conduit-e2e-"))
    with servers.running(redis=False, eventbridge=False) as environment:
        with chromium.Chromium(chromium.find()) as browser:
            theatre = Theatre(browser, program, environment["CONDUIT_TEST_MONGODB_URI"], folder, pictures_folder)
            for scenario in wanted:
                started = time.monotonic()
                try:
                    theatre.perform(scenario)
                    outcome = "ok"
                    counts.passed += 1
                except Skipped as reason:
                    outcome = f"skipped: {reason}"
                    counts.skipped += 1
                except AssertionError as error:
                    outcome = f"FAILED: {error}"
                    counts.failed += 1
                print(f"{scenario.name} ({time.monotonic() - started:.1f} s) ... {outcome}", flush=True)
    if counts.failed:
        say(f"note: the logs of the servers, and what the pages showed, are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return counts


def main() -> int:
    """Reads the arguments, builds the server and runs the scenarios."""
    parser = argparse.ArgumentParser(description="Tests the dashboard in Chromium.")
    parser.add_argument("--screenshots", action="store_true", help="make the pictures of the documentation anew")
    parser.add_argument("--server", type=Path, help="a conduit-server that is built already")
    parser.add_argument("names", nargs="*", help="parts of the names of scenarios")
    options = parser.parse_args()
    processes.raise_on_signals()
    chromium.find()
    wheels.find(wheels.AXE)
    program = options.server
    if program is None:
        toolchain.check()
        toolchain.build("build", ["-p", "conduit-server", "--bin", "conduit-server"])
        program = toolchain.target_directory() / "debug" / "conduit-server"
    counts = run(program, options.names, PICTURES if options.screenshots else None)
    if counts.ran == 0:
        say("error: no test ran")
    print(counts, flush=True)
    return 1 if counts.failed or counts.ran == 0 else 0


if __name__ == "__main__":
    exit_with(main)
