"""Checks that Rust and a linker are there, and asks cargo about the workspace.

As a program (`python3 scripts/toolchain.py`) it only checks, and says what is
missing and how to get it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, List, Tuple

import processes
import system_packages
from progress import Problem, exit_with

ROOT = Path(__file__).resolve().parent.parent
RUSTUP_HINT = "Install Rust with rustup (see rust-lang.org, \"Get started\"), open a new shell, and try again."


def check() -> None:
    """Raises a `Problem` if cargo is missing or too old, or there is no linker."""
    cargo()
    version = _run_rustc_version()
    wanted = minimum_rust_version()
    if version < wanted:
        raise Problem(
            f"Rust {_dotted(version)} is too old; this project needs {_dotted(wanted)} or newer",
            "Update it: rustup update stable",
        )
    if not any(shutil.which(name) for name in ("cc", os.environ.get("CC", "cc"))):
        system_packages.install(["gcc", "libc6-dev"], "no C compiler (cc), which Rust links with, was found")


def cargo() -> str:
    """Finds cargo on the PATH or where rustup puts it, or raises a `Problem`."""
    home = Path(os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")))
    found = shutil.which("cargo") or shutil.which("cargo", path=str(home / "bin"))
    if found is None:
        raise Problem("cargo, Rust's build tool, was not found", RUSTUP_HINT)
    return found


def has_subcommand(name: str) -> bool:
    """Whether `cargo <name>` is installed."""
    home = Path(os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")))
    program = f"cargo-{name}"
    return bool(shutil.which(program) or shutil.which(program, path=str(home / "bin")))


def metadata() -> Any:
    """What cargo knows of the workspace's own packages."""
    result = subprocess.run(
        [cargo(), "metadata", "--no-deps", "--format-version", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise Problem("cargo cannot read the workspace", result.stderr.strip())
    return json.loads(result.stdout)


def target_directory() -> Path:
    """Where cargo puts what it builds."""
    return Path(metadata()["target_directory"])


def packages_with_library() -> List[str]:
    """The names of the workspace's packages that have a library."""
    kinds = {"lib", "rlib", "proc-macro"}
    return [
        package["name"]
        for package in metadata()["packages"]
        if any(kinds.intersection(target["kind"]) for target in package["targets"])
    ]


def build(subcommand: str, arguments: List[str]) -> None:
    """Runs a cargo command that builds, its own progress shown, or raises a `Problem`."""
    code = processes.run([cargo(), subcommand, *arguments], cwd=ROOT)
    if code != 0:
        raise Problem(
            f"the build failed (cargo {subcommand} {' '.join(arguments)})",
            "What the compiler says is above.",
        )


def minimum_rust_version() -> Tuple[int, int]:
    """The `rust-version` of the workspace's Cargo.toml."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^rust-version\s*=\s*"(\d+)\.(\d+)', manifest, re.MULTILINE)
    return (int(found.group(1)), int(found.group(2))) if found else (1, 85)


def _run_rustc_version() -> Tuple[int, int]:
    rustc = shutil.which("rustc") or str(Path(cargo()).with_name("rustc"))
    try:
        text = subprocess.run([rustc, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Problem("rustc, the Rust compiler, does not run", RUSTUP_HINT) from error
    found = re.search(r"rustc (\d+)\.(\d+)", text)
    if found is None:
        raise Problem(f"rustc told an unknown version: {text.strip()}", RUSTUP_HINT)
    return int(found.group(1)), int(found.group(2))


def _dotted(version: Tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def main() -> int:
    """Checks, and is silent when all is well."""
    check()
    return 0


if __name__ == "__main__":
    exit_with(main)
