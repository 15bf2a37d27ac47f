"""Installs what only the system's package manager can bring."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Sequence

from progress import Problem, Progress, say


def install(packages: Sequence[str], what_is_missing: str) -> None:
    """Installs Debian or Ubuntu packages if we may, else says what to do.

    Done only as root and with apt-get at hand, that is on throw-away machines
    and in containers; anywhere else it is a `Problem` with the command to run.
    """
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Problem(
            what_is_missing,
            f"On Debian or Ubuntu: sudo apt-get install -y {names}\n"
            "Elsewhere: install the same with your system's package manager.",
        )
    say(f"{what_is_missing}; installing {names} with apt-get")
    with Progress(f"installing {names}"):
        _apt_get(["update"], what_is_missing)
        _apt_get(["install", "-y", "--no-install-recommends", *packages], what_is_missing)


def _apt_get(arguments: Sequence[str], what_is_missing: str) -> None:
    result = subprocess.run(
        ["apt-get", "-q", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-8:])
        raise Problem(what_is_missing, f"apt-get {arguments[0]} failed:\n{tail}")
