"""Builds the benchmarks and runs them on servers of their own.

    python3 scripts/bench.py [--peers] [FIGURE...]

runs the figures that are named, else all: each beside its limit, in turn, in the
same run. With `--peers`, figure h has mq-bridge and the Debezium engine too, which
are fetched. Prints a table, and the path of the same as JSON. The exit code is not
0 only if something broke; a bar that is missed is said in the table.

    CONDUIT_BENCH_ROUNDS, CONDUIT_BENCH_RECORDS,
    CONDUIT_BENCH_SECONDS, CONDUIT_BENCH_COLLECTIONS   sizes; see docs/performance.md
    CONDUIT_BENCH_PROFILER                             e.g. "perf record -g -o perf.data --"
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import Dict, List

import processes
import servers
import system_packages
import toolchain
import tools
from progress import Problem, exit_with, say
from python_tool import DEBEZIUM, HAND_WRITTEN, MQ_BRIDGE, PythonTool

PACKAGE = "conduit-benches"
PROGRAM = "conduit-bench"
# Those of tests may be somebody's own; a run empties what it uses.
SERVERS_OF_TESTS = ("CONDUIT_TEST_MONGODB_URI", "CONDUIT_TEST_REDIS_URI")
PYTHON_OF_DEBEZIUM = (3, 10)


def find_peers(with_products: bool) -> Dict[str, str]:
    """The variables that name what Conduit is compared with; what is not to be had is left out, with the reason."""
    wanted: List[PythonTool] = [HAND_WRITTEN]
    if with_products:
        wanted.append(MQ_BRIDGE)
        if has_java():
            wanted.append(DEBEZIUM)
    found = {}
    for peer in wanted:
        try:
            found[peer.variable] = str(tools.find(peer))
        except Problem as problem:
            say(f"note: without {peer.name}: {problem.what}")
    return found


def has_java() -> bool:
    """Whether the Debezium engine can run; says why not."""
    if sys.version_info < PYTHON_OF_DEBEZIUM:
        say("note: without debezium: it needs Python 3.10")
        return False
    if shutil.which("java") is None:
        try:
            system_packages.install(["openjdk-17-jre-headless"], "no Java was found, which the Debezium engine runs on")
        except Problem as problem:
            say(f"note: without debezium: {problem.what}")
            return False
    return True


def main() -> int:
    """Builds, starts the servers, measures."""
    parser = argparse.ArgumentParser(description="Measures Conduit beside its limits.")
    parser.add_argument("--peers", action="store_true", help="compare with mq-bridge and the Debezium engine too")
    parser.add_argument("figures", nargs="*", help="figures to measure; all if none is named")
    options = parser.parse_args()
    processes.raise_on_signals()
    toolchain.check()
    toolchain.build("build", ["--release", "-p", PACKAGE, "--bin", PROGRAM])
    peers = find_peers(options.peers)
    for name in SERVERS_OF_TESTS:
        os.environ.pop(name, None)
    with servers.running(eventbridge=False) as environment:
        environment["CONDUIT_BENCH_MONGODB_URI"] = environment["CONDUIT_TEST_MONGODB_URI"]
        environment["CONDUIT_BENCH_REDIS_URI"] = environment["CONDUIT_TEST_REDIS_URI"]
        environment.update(peers)
        program = toolchain.target_directory() / "release" / PROGRAM
        return processes.run([str(program), *options.figures], env=environment, cwd=toolchain.ROOT)


if __name__ == "__main__":
    exit_with(main)
