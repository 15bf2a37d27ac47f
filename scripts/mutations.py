"""Plants known bugs, one at a time, and checks that the tests find each.

    python3 scripts/mutations.py [NAME...]

Every `mutations/*.patch` is a bug of a kind that is easily made. It is applied to
a copy of the sources in `target/mutations`, never to the sources themselves, and
the tests that its `# Tests:` line names are run there (arguments of `cargo nextest
run`). At least one has to fail by name: a patch that does not apply, sources that
do not compile, or tests that all pass are errors. NAMEs are parts of names of
patches. The exit code is 0 if every bug was found.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import toolchain
from progress import Problem, Progress, exit_with, say

ROOT = toolchain.ROOT
PATCHES = ROOT / "mutations"
WORK = ROOT / "target" / "mutations"
COPY = WORK / "sources"
FAILED = re.compile(r"^\s*(?:FAIL|TIMEOUT|SIGABRT|ABORT) \[[^\]]*\]\s+(?:\([^)]*\)\s+)?(\S+ \S+)")
# A bug may make a test wait for ever.
TIME_LIMIT_SECONDS = 900


@dataclass
class Mutation:
    """A bug: what it is, which tests look for it, and the change that makes it."""

    path: Path
    bug: str
    tests: List[str]

    @property
    def name(self) -> str:
        """The name of the patch."""
        return self.path.stem

    @classmethod
    def read(cls, path: Path) -> Mutation:
        """Reads a patch and the lines above it that begin with `#`."""
        said: Dict[str, str] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            key, _, value = line[1:].partition(":")
            said[key.strip()] = value.strip()
        for key in ("Bug", "Tests"):
            if not said.get(key):
                raise Problem(f"{path.name} has no line `# {key}: ...` at its top")
        return cls(path, said["Bug"], shlex.split(said["Tests"]))


def copy_sources() -> None:
    """Makes the copy like the sources, without touching what is the same, so that little is built again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()
    wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, COPY / name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for folder, folders, files in os.walk(COPY):
        folders[:] = [name for name in folders if name != "target"]
        for name in files:
            path = Path(folder) / name
            if str(path.relative_to(COPY)) not in wanted:
                path.unlink()


def apply(mutation: Mutation) -> None:
    """Applies a patch to the copy."""
    applied = subprocess.run(
        ["git", "apply", "--recount", "--unidiff-zero", "-C1", str(mutation.path)],
        cwd=COPY, capture_output=True, text=True,
        # The copy is no part of the repository that it lies in.
        env=dict(os.environ, GIT_CEILING_DIRECTORIES=str(WORK)),
    )
    if applied.returncode != 0:
        raise Problem(
            f"{mutation.path.name} does not apply: {applied.stderr.strip()}",
            "The sources have changed: make the patch anew, so that it makes the same bug.",
        )


def run(tests: List[str]) -> Tuple[int, List[str], str]:
    """Runs tests in the copy; returns the exit code, the names of those that failed, and what was printed."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"), RUST_BACKTRACE="0", CARGO_TERM_COLOR="never")
    command = [toolchain.cargo(), "nextest", "run", "--profile", "mutations", "--color", "never", *tests]
    try:
        done = subprocess.run(
            command, cwd=COPY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=TIME_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return 1, ["(the tests did not end)"], ""
    failed = sorted({match.group(1) for match in map(FAILED.match, done.stdout.splitlines()) if match})
    return done.returncode, failed, done.stdout


def verdict(mutation: Mutation) -> List[str]:
    """Plants one bug; returns the names of the tests that found it."""
    copy_sources()
    apply(mutation)
    code, failed, printed = run(mutation.tests)
    if code != 0 and not failed:
        raise Problem(f"{mutation.name}: the tests were not run:\n{printed[-3000:]}", "Does the patch compile?")
    return failed


def main() -> int:
    """Plants every bug and prints a table."""
    toolchain.check()
    if not toolchain.has_subcommand("nextest"):
        raise Problem("cargo-nextest was not found", "Install it: cargo install cargo-nextest --locked")
    parts = sys.argv[1:]
    mutations = [Mutation.read(path) for path in sorted(PATCHES.glob("*.patch"))]
    mutations = [one for one in mutations if not parts or any(part in one.name for part in parts)]
    if not mutations:
        raise Problem("there is no such mutation")
    copy_sources()
    for tests in sorted({tuple(one.tests) for one in mutations}):
        with Progress(f"without a bug: {' '.join(tests)}"):
            code, failed, printed = run(list(tests))
        if code != 0:
            raise Problem(f"the tests fail without any bug: {', '.join(failed) or printed[-3000:]}")
    survived = 0
    for mutation in mutations:
        with Progress(mutation.name):
            found_by = verdict(mutation)
        survived += not found_by
        print(f"{'found   ' if found_by else 'SURVIVED'}  {mutation.name}: {mutation.bug}", flush=True)
        for test in found_by[:4]:
            print(f"            {test}")
        if len(found_by) > 4:
            print(f"            and {len(found_by) - 4} more")
    copy_sources()
    print(f"{len(mutations)} bugs, {survived} not found")
    if survived:
        say("error: a bug that no test finds: write the test, do not weaken the patch")
    return 1 if survived else 0


if __name__ == "__main__":
    exit_with(main)
