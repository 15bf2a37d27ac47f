"""Runs the chaos test for as long as wanted: real servers, disturbed at random.

    python3 scripts/chaos.py [--minutes 5] [--seed N]

prints each disturbance as it happens and ends with a table. The seed, drawn if
none is given, makes the schedule repeatable. The exit code is not 0 if anything
was lost, out of order, or came twice without a cause that is allowed.
"""

from __future__ import annotations

import argparse
import os
import random

import processes
import toolchain
import tools
from progress import exit_with, say

TEST = "storm::whatever_is_killed_frozen_or_refused_nothing_is_lost_and_the_order_holds"
SELECTION = ["-p", "conduit-server", "--all-features", "--test", "chaos"]


def main() -> int:
    """Builds the test and runs it."""
    parser = argparse.ArgumentParser(description="Runs the chaos test for as long as wanted.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the disturbances go on (default 5)")
    parser.add_argument("--seed", type=int, help="repeats the schedule of that seed")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    processes.raise_on_signals()
    toolchain.check()
    environment = {
        **os.environ,
        tools.MONGOD.variable: str(tools.find(tools.MONGOD)),
        tools.REDIS_SERVER.variable: str(tools.find(tools.REDIS_SERVER)),
        "CONDUIT_CHAOS_MINUTES": str(options.minutes),
        "CONDUIT_CHAOS_SEED": str(seed),
    }
    toolchain.build("test", ["--no-run", *SELECTION])
    command = [toolchain.cargo(), "test", "--quiet", *SELECTION, "--", "--exact", "--nocapture", TEST]
    code = processes.run(command, env=environment, cwd=toolchain.ROOT)
    if code != 0:
        say(f"error: the chaos test failed; again: make chaos MINUTES={options.minutes:g} SEED={seed}")
    return 1 if code else 0


if __name__ == "__main__":
    exit_with(main)
