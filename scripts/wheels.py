"""Finds the Python libraries that tests ask, and fetches what is missing.

    python3 scripts/wheels.py standardwebhooks|axe|all

prints the path of each library's wheel on stdout, which Python imports from as
it is (`PYTHONPATH`), and progress on stderr. A wheel is fetched once into the
project's tools folder, by pip, and checked against the SHA-256 value below.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict

import tools
from progress import exit_with


@dataclass(frozen=True)
class Wheel:
    """A library in pure Python without dependencies, as one file.

    The names are those that `tools` fetches by.
    """

    name: str
    version: str
    requirement: str
    file: str
    wheel_sha256: str
    wheel_bytes: int
    pip_tags: tuple = ()
    otherwise: str = "The tests that verify signatures by it need it: give pip a way to its index."


STANDARDWEBHOOKS = Wheel(
    name="standardwebhooks",
    version="1.1.0",
    requirement="standardwebhooks==1.1.0",
    file="standardwebhooks-1.1.0-py3-none-any.whl",
    wheel_sha256="9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61",
    wheel_bytes=3538,
)

# Only the axe.min.js in it is used: the rules by which pages are checked for who cannot see or point.
AXE = Wheel(
    name="axe",
    version="4.12.1",
    requirement="axe-playwright-python==0.1.8",
    file="axe_playwright_python-0.1.8-py3-none-any.whl",
    wheel_sha256="fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
    wheel_bytes=160681,
    otherwise="The tests of the dashboard check its accessibility by it: give pip a way to its index.",
)

WHEELS: Dict[str, Wheel] = {wheel.name: wheel for wheel in (STANDARDWEBHOOKS, AXE)}


def find(wheel: Wheel) -> Path:
    """The absolute path of a wheel, fetched if need be."""
    place = tools.tools_dir() / f"{wheel.name}-{wheel.version}" / wheel.file
    if _is_there(wheel, place):
        return place
    with tools.alone(wheel):
        if not _is_there(wheel, place):
            with tools.staging() as staging:
                # Checked there before it is moved here, in one step.
                fetched = tools.download(wheel, tools.pip(wheel), staging)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(fetched, place)
    return place


def _is_there(wheel: Wheel, place: Path) -> bool:
    try:
        return place.stat().st_size == wheel.wheel_bytes
    except OSError:
        return False


def main() -> int:
    """Prints the path of each wheel asked for."""
    return tools.print_paths("wheels.py", WHEELS, lambda name: find(WHEELS[name]))


if __name__ == "__main__":
    exit_with(main)
