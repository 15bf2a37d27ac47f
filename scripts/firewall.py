"""Checks that the core crate depends on no backend, directly or through others."""

from __future__ import annotations

import subprocess

import toolchain
from progress import Problem, exit_with, say

CORE = "conduit-core"
# Each stands for the crate itself and for all whose name goes on after a dash.
FORBIDDEN = ("mongodb", "bson", "redis", "reqwest", "aws", "meilisearch", "axum")


def is_forbidden(crate: str) -> bool:
    """Whether the core must not depend on this crate.

    >>> [is_forbidden(name) for name in ("bson", "aws-sdk-sqs", "redis_rs", "bsonic", "jaws")]
    [True, True, True, False, False]
    """
    plain = crate.replace("_", "-")
    return any(plain == name or plain.startswith(f"{name}-") for name in FORBIDDEN)


def main() -> int:
    """Names each forbidden dependency; the exit code is 1 if there is one."""
    result = subprocess.run(
        [toolchain.cargo(), "tree", "-p", CORE, "-e", "normal", "--all-features", "--prefix", "none"],
        cwd=toolchain.ROOT,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise Problem(f"cargo tree -p {CORE} failed", result.stderr.strip())
    crates = sorted({line.split()[0] for line in result.stdout.splitlines() if line.strip()})
    found = [crate for crate in crates if is_forbidden(crate)]
    for crate in found:
        say(f"error: {CORE} depends on {crate}; see: cargo tree -p {CORE} -e normal --all-features -i {crate}")
    print(f"firewall: {CORE} has {len(crates) - 1} dependencies, {len(found)} of them forbidden")
    return 1 if found else 0


if __name__ == "__main__":
    exit_with(main)
