"""Builds the benchmarks and runs them on servers of their own.

    python3 scripts/bench.py [--peers] [FIGURE...]

runs the figures that are named, else all: each beside its limit, in turn, in the
same run. Prints a table, and the path of the same as JSON. The exit code is not 0
only if something broke; a bar that is missed is said in the table.

    CONDUIT_BENCH_ROUNDS, CONDUIT_BENCH_RECORDS,
    CONDUIT_BENCH_SECONDS, CONDUIT_BENCH_COLLECTIONS   sizes; see docs/performance.md
    CONDUIT_BENCH_PROFILER                             e.g. "perf record -g -o perf.data --"
"""

from __future__ import annotations

import argparse
import os

import processes
import servers
import toolchain
from progress import exit_with

PACKAGE = "conduit-benches"
PROGRAM = "conduit-bench"
# Those of tests may be somebody's own; a run empties what it uses.
SERVERS_OF_TESTS = ("CONDUIT_TEST_MONGODB_URI", "CONDUIT_TEST_REDIS_URI")


def main() -> int:
    """Builds, starts the servers, measures."""
    parser = argparse.ArgumentParser(description="Measures Conduit beside its limits.")
    parser.add_argument("figures", nargs="*", help="figures to measure; all if none is named")
    options = parser.parse_args()
    processes.raise_on_signals()
    toolchain.check()
    toolchain.build("build", ["--release", "-p", PACKAGE, "--bin", PROGRAM])
    for name in SERVERS_OF_TESTS:
        os.environ.pop(name, None)
    with servers.running(eventbridge=False) as environment:
        environment["CONDUIT_BENCH_MONGODB_URI"] = environment["CONDUIT_TEST_MONGODB_URI"]
        environment["CONDUIT_BENCH_REDIS_URI"] = environment["CONDUIT_TEST_REDIS_URI"]
        program = toolchain.target_directory() / "release" / PROGRAM
        return processes.run([str(program), *options.figures], env=environment, cwd=toolchain.ROOT)


if __name__ == "__main__":
    exit_with(main)
