"""Programs that are Python packages, each in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List

from progress import Problem, Progress


@dataclass(frozen=True)
class PythonTool:
    """A program that is Python packages: how to find it, and how to start it."""

    name: str
    variable: str
    version: str
    requirements: Path
    # Makes a program of `sys.argv`.
    start: str
    otherwise: str

    @property
    def folder(self) -> str:
        """Packages with compiled parts are of one version of Python."""
        return f"{self.name}-{self.version}-py{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def launcher(self) -> str:
        """The program that starts it."""
        return (
            f"#!{sys.executable}\n"
            "import os, sys\n"
            f"if sys.argv[1:] == ['--version']:\n    sys.exit(print('{self.version}'))\n"
            "sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'packages'))\n"
            f"{self.start}\n"
        )

    def install(self, folder: Path, pip: List[str], so_far: Callable[[], str]) -> None:
        """Makes a folder with the packages and the launcher, by pip, which keeps its own files beside it."""
        python = [] if pip[0] == sys.executable else ["--python", sys.executable]
        command = [
            *pip, *python, "install", "--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
            "--only-binary=:all:", "--target", str(folder / "packages"), "--requirement", str(self.requirements),
        ]
        with Progress(f"fetching {self.name} {self.version}", so_far):
            result = subprocess.run(
                command,
                env={**os.environ, "TMPDIR": str(folder.parent)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        if result.returncode != 0:
            said = "\n".join(result.stdout.strip().splitlines()[-6:])
            what = f"pip could not install {self.requirements.name}, which makes {self.name}"
            raise Problem(what, f"{said}\n{self.otherwise}")
        program = folder / self.name
        program.write_text(self.launcher, encoding="utf-8")
        program.chmod(0o755)


MOTO_SERVER = PythonTool(
    name="moto-server",
    variable="CONDUIT_MOTO_SERVER",
    version="5.1.22",
    requirements=Path(__file__).resolve().parent / "moto.txt",
    start="from moto.server import main\nmain(sys.argv[1:])",
    otherwise=(
        "Install it yourself (pip install 'moto[events,sqs]' flask flask-cors) and set\n"
        "CONDUIT_MOTO_SERVER to the path of its `moto_server`."
    ),
)

# Runs the script that its first argument names.
RUN_SCRIPT = "import runpy\ndel sys.argv[0]\nrunpy.run_path(sys.argv[0], run_name='__main__')"


def _python_with(name: str, variable: str, version: str, requirements: str) -> PythonTool:
    """A Python that has the packages of a file beside this one."""
    return PythonTool(
        name=name,
        variable=variable,
        version=version,
        requirements=Path(__file__).resolve().parent / requirements,
        start=RUN_SCRIPT,
        otherwise=f"The benchmark that is compared with it needs what {requirements} lists: give pip a way to its index.",
    )


HAND_WRITTEN = _python_with("hand-written", "CONDUIT_BENCH_PYTHON", "4.18.3", "hand_written.txt")
MQ_BRIDGE = _python_with("mq-bridge", "CONDUIT_BENCH_MQ_BRIDGE", "1.2.0", "mq_bridge.txt")
DEBEZIUM = _python_with("debezium", "CONDUIT_BENCH_DEBEZIUM", "3.6.3.0", "debezium.txt")
SCHEMATHESIS = PythonTool(
    name="schemathesis",
    variable="CONDUIT_SCHEMATHESIS",
    version="4.32.5",
    requirements=Path(__file__).resolve().parent / "schemathesis.txt",
    start="from schemathesis.cli import schemathesis\nschemathesis()",
    otherwise=(
        "It needs Python 3.11 or newer. Install it yourself (pip install schemathesis) and set\n"
        "CONDUIT_SCHEMATHESIS to the path of its `schemathesis`."
    ),
)
