"""Builds and runs the workspace's tests, with the servers that they need.

    python3 scripts/test.py [all|unit|integration|coverage] [ARGUMENTS...]

`all` is every test and the doc tests; `unit` the libraries' own and the doc
tests, without servers; `integration` the rest; `coverage` is `all` under
cargo-llvm-cov. Arguments go to the test runner: `-p conduit-core`, a part of a
test's name, `--no-capture`. The last line is `N passed, N failed, N skipped`
over everything that ran; the exit code is not 0 if a test failed or none ran.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional

import processes
import servers
import toolchain
import tools
import wheels
from counts import Counts
from progress import Problem, exit_with, say

MODES = ("all", "unit", "integration", "coverage")
# Options that mean the same to `cargo build`, nextest and `cargo test --doc`, by
# whether a value follows.
SHARED_OPTIONS: Dict[str, bool] = {
    "-p": True, "--package": True, "--exclude": True, "--features": True, "-F": True, "--target": True,
    "--release": False, "-r": False, "--workspace": False, "--no-default-features": False,
    "--locked": False, "--offline": False, "--frozen": False,
}
PACKAGE_OPTIONS = ("-p", "--package")
NEXTEST_NO_TESTS = 4


class NoTestRan(Exception):
    """Nothing was tested, which is never a success."""


@dataclass
class Arguments:
    """The caller's arguments, sorted by who understands them."""

    everything: List[str]
    shared: List[str]
    packages: List[str]
    names: List[str]
    only_the_runner_knows: List[str]

    @classmethod
    def parse(cls, given: List[str]) -> Arguments:
        """Sorts them; what stands after `--` is the runner's alone."""
        result = cls(list(given), [], [], [], [])
        rest = list(given)
        while rest:
            word = rest.pop(0)
            option, equals, value = word.partition("=")
            if word == "--":
                result.only_the_runner_knows += [word, *rest]
                break
            if not word.startswith("-"):
                result.names.append(word)
            elif option not in SHARED_OPTIONS:
                result.only_the_runner_knows.append(word)
            elif not SHARED_OPTIONS[option]:
                result.shared.append(option)
            else:
                value = value if equals else (rest.pop(0) if rest else "")
                result.shared += [option, value]
                if option in PACKAGE_OPTIONS:
                    result.packages.append(value)
        return result

    @property
    def workspace(self) -> List[str]:
        """`--workspace`, unless packages are named: cargo would run all the same."""
        return [] if self.packages else ["--workspace"]


def run_tests(mode: str, arguments: Arguments) -> Counts:
    """Runs what the mode asks for and returns how it went."""
    if mode != "unit":
        # Whatever is missing is better told before the build than after it.
        for tool in tools.TOOLS.values():
            tools.find(tool)
        for wheel in wheels.WHEELS.values():
            wheels.find(wheel)
    scope = [*arguments.workspace, "--all-features"]
    # The server's programs are run by tests, so they are built too.
    if mode == "unit":
        selection = ["--lib", "--bins"]
        toolchain.build("test", ["--no-run", *scope, *arguments.shared, *selection])
    elif mode != "coverage":
        selection = ["--test", "*"] if mode == "integration" else []
        toolchain.build("build", [*scope, *arguments.shared, "--bins", "--tests", "--examples"])
    else:
        selection = []
    if mode == "all" and not toolchain.has_subcommand("nextest"):
        # Without it `cargo test` would run the doc tests as well, which follow below.
        selection = ["--tests"]
    runner = [*_runner(mode), *scope, *selection, *arguments.everything]
    with ExitStack() as stack:
        environment: Optional[Mapping[str, str]] = None
        if mode != "unit":
            environment = stack.enter_context(servers.running())
        counts = _counted("tests", runner, environment)
        if counts.ran == 0 and counts.failed == 0:
            raise NoTestRan()
        if mode in ("all", "unit"):
            counts.add(_doc_tests(scope, arguments, environment))
    return counts


def _runner(mode: str) -> List[str]:
    cargo = toolchain.cargo()
    nextest = toolchain.has_subcommand("nextest")
    colour = ["--color", "always"] if sys.stdout.isatty() else []
    if mode == "coverage":
        if not toolchain.has_subcommand("llvm-cov"):
            raise Problem(
                "cargo-llvm-cov, which measures the coverage, was not found",
                "Install it: cargo install cargo-llvm-cov && rustup component add llvm-tools-preview",
            )
        return [cargo, "llvm-cov", *(["nextest"] if nextest else []), "--no-fail-fast", *colour]
    if nextest:
        return [cargo, "nextest", "run", "--no-fail-fast", *colour]
    say("note: cargo-nextest is not installed; running the tests with cargo test, which is slower")
    return [cargo, "test", "--no-fail-fast", *colour]


def _doc_tests(scope: List[str], arguments: Arguments, environment: Optional[Mapping[str, str]]) -> Counts:
    if arguments.only_the_runner_knows:
        say(f"note: no doc tests are run with {' '.join(arguments.only_the_runner_knows)}")
        return Counts()
    libraries = toolchain.packages_with_library()
    if not any(package in libraries for package in arguments.packages or libraries):
        return Counts()
    command = [toolchain.cargo(), "test", "--doc", "--no-fail-fast", *scope, *arguments.shared, *arguments.names]
    return _counted("doc tests", command, environment)


def _counted(what: str, command: List[str], environment: Optional[Mapping[str, str]]) -> Counts:
    """Runs a command and counts; one that fails without a failed test counts as one."""
    counts = Counts()
    read = counts.read_nextest if "nextest" in command else counts.read_libtest
    code = processes.run(command, env=environment, cwd=toolchain.ROOT, on_line=read)
    nothing_to_run = code == NEXTEST_NO_TESTS and counts.ran == 0
    if code != 0 and counts.failed == 0 and not nothing_to_run:
        say(f"error: the {what} ended with exit code {code}")
        counts.failed += 1
    return counts


def main() -> int:
    """Runs the tests and prints the closing line."""
    given = sys.argv[1:]
    mode = given.pop(0) if given and given[0] in MODES else "all"
    processes.raise_on_signals()
    toolchain.check()
    try:
        counts = run_tests(mode, Arguments.parse(given))
    except NoTestRan:
        say("error: no test ran")
        print(Counts(), flush=True)
        return 1
    print(counts, flush=True)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    exit_with(main)
