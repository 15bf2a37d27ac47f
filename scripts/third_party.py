"""Runs the conformance suites as somebody does who is not part of the project.

    python3 scripts/third_party.py [sink|store]

Makes a crate outside the workspace, of the files in
conduit-testkit/tests/third_party/, with a sink and a store of its own, and runs
the suites on them: all clauses must pass. Then it plants one fault after the
other, and the clause that is about it must fail, by name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

import processes
import toolchain
from progress import Problem, exit_with, say

FILES = toolchain.ROOT / "conduit-testkit" / "tests" / "third_party"
SUITES = ("sink", "store")
# A suite has more clauses than this; fewer were run if the macro broke.
LEAST_CLAUSES = 20
MANIFEST = """[package]
name = "third-party"
version = "0.0.0"
edition = "2024"

[dependencies]
async-trait = "0.1"
conduit-core = {{ path = "{root}/conduit-core" }}
conduit-state = {{ path = "{root}/conduit-state", features = ["memory"] }}

[dev-dependencies]
conduit-testkit = {{ path = "{root}/conduit-testkit" }}
tempfile = "3"

[workspace]
"""


@dataclass
class Fault:
    """A change of one file that makes it break a clause."""

    what: str
    suite: str
    old: str
    new: str
    clause: str


FAULTS = (
    Fault(
        "the sink swaps the order of a batch",
        "sink",
        "in batch.records() {",
        "in batch.records().iter().rev() {",
        "a_batch_arrives_whole_and_in_order",
    ),
    Fault(
        "the sink answers before the record is written",
        "sink",
        "file.write_all(&lines).and_then(|()| file.sync_data())",
        "std::io::Result::Ok(std::thread::spawn({ let mut file = file.try_clone().unwrap(); move || { "
        "std::thread::sleep(std::time::Duration::from_millis(50)); file.write_all(&lines) } })).map(|_| ())",
        "what_is_acknowledged_is_durable",
    ),
    Fault(
        "a commit of the store is not atomic: what begins to wait is not part of it",
        "store",
        "self.inner.commit(commits).await",
        "let halves: Vec<_> = commits.iter().map(|c| Commit { parked: Vec::new(), ..c.clone() }).collect(); "
        "self.inner.commit(&halves).await",
        "a_commit_changes_everything_it_names",
    ),
)


def make_crate(folder: Path) -> None:
    """Writes the crate's files."""
    (folder / "src").mkdir(parents=True)
    (folder / "tests").mkdir()
    manifest = MANIFEST.format(root=toolchain.ROOT.as_posix())
    (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
    # The same versions as in the workspace: nothing is to be fetched or built anew.
    shutil.copy(toolchain.ROOT / "Cargo.lock", folder / "Cargo.lock")
    modules = "".join(f"pub mod {suite};\n" for suite in SUITES)
    (folder / "src" / "lib.rs").write_text(f"//! A sink and a store.\n{modules}", encoding="utf-8")
    for suite in SUITES:
        shutil.copy(FILES / f"{suite}.rs", folder / "src" / f"{suite}.rs")
        shutil.copy(FILES / f"{suite}_suite.rs", folder / "tests" / f"{suite}_suite.rs")


def run_suite(folder: Path, suite: str, environment: Mapping[str, str]) -> Tuple[Dict[str, bool], List[str]]:
    """Returns which clauses of the suite passed, and what it says of those left out."""
    command = [toolchain.cargo(), "test", "--quiet", "--test", f"{suite}_suite", "--", "--format", "pretty"]
    result = subprocess.run(
        command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    clauses = read_clauses(result.stdout)
    if len(clauses) < LEAST_CLAUSES:
        raise Problem(f"the suite of the {suite} did not run", (result.stderr or result.stdout).strip()[-4000:])
    return clauses, sorted(line for line in result.stderr.splitlines() if line.startswith("SKIPPED"))


def read_clauses(output: str) -> Dict[str, bool]:
    """Which tests passed, of what the test runner printed.

    >>> read_clauses("test a_clause ... ok\\ntest another ... FAILED\\n\\nfailures:\\n    another\\n")
    {'a_clause': True, 'another': False}
    """
    found = re.findall(r"^test (\S+) \.\.\. (ok|FAILED)$", output, re.MULTILINE)
    return {name: outcome == "ok" for name, outcome in found}


def code_lines(path: Path) -> int:
    """How many lines of a file are neither empty nor a comment."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sum(1 for line in lines if line and not line.startswith("//"))


def check(folder: Path, suites: List[str], environment: Mapping[str, str]) -> bool:
    """Runs everything; whether all was as it must be."""
    is_well = True
    for suite in suites:
        say(f"the {suite}, {code_lines(FILES / f'{suite}.rs')} lines of code:")
        clauses, left_out = run_suite(folder, suite, environment)
        for line in left_out:
            say(f"  {line}")
        failed = sorted(name for name, passed in clauses.items() if not passed)
        passed = len(clauses) - len(failed) - len(left_out)
        told = f"{suite}: {passed} pass, {len(left_out)} left out, {len(failed)} fail"
        print(": ".join([told, ", ".join(failed)] if failed else [told]))
        is_well = is_well and not failed
    for fault in (fault for fault in FAULTS if fault.suite in suites):
        path = folder / "src" / f"{fault.suite}.rs"
        sound = path.read_text(encoding="utf-8")
        if sound.count(fault.old) != 1:
            reason = f"{fault.old!r} is not in {path.name} once"
            raise Problem(f"the fault cannot be planted: {fault.what}", reason)
        path.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
        clauses, _ = run_suite(folder, fault.suite, environment)
        path.write_text(sound, encoding="utf-8")
        failed = sorted(name for name, passed in clauses.items() if not passed)
        is_found = fault.clause in failed
        told = ", ".join(failed) or "no clause fails"
        print(f"{'found' if is_found else 'NOT FOUND'}: {fault.what}: {told}")
        is_well = is_well and is_found
    return is_well


def main() -> int:
    """Checks the suites that are asked for, else all."""
    suites = sys.argv[1:] or list(SUITES)
    if not set(suites) <= set(SUITES):
        raise Problem(f"there are suites for {' and '.join(SUITES)} only")
    processes.raise_on_signals()
    toolchain.check()
    target = Path(os.environ.get("CARGO_TARGET_DIR", toolchain.ROOT / "target"))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target / "third_party")}
    with tempfile.TemporaryDirectory(prefix="conduit-third-party-") as folder:
        crate = Path(folder) / "crate"
        make_crate(crate)
        return 0 if check(crate, suites, environment) else 1


if __name__ == "__main__":
    exit_with(main)
