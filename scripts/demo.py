"""Runs the demo: a server in `dev` mode, a writer and a receiver of its records.

    python3 scripts/demo.py [--once]

needs nothing but Rust and Python: MongoDB is taken from MONGODB_URI, else found
or fetched. Without `--once` it goes on until Ctrl-C. Everything that it makes
lies in a folder under `.conduit-demo/`, which is removed at the end; only when
the server failed are its logs kept.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator

import processes
import servers
import toolchain
import tools
from processes import Interrupted
from progress import Problem, Progress, exit_with, say

HOST = "127.0.0.1"
PREFERRED_PORT = 8080
READY_SECONDS = 60.0
# The server itself drains for at most 30 s.
END_SECONDS = 35.0
WATCH_SECONDS = 0.2
SERVER_PACKAGE, EXAMPLES_PACKAGE = "conduit-server", "conduit-examples"
# Would turn the one-machine trial into something else.
NOT_FOR_THE_DEMO = ("REDIS_URI", "CONDUIT_STATE", "WORKER_PORT")


def run_demo(once: bool) -> int:
    """Builds, starts the server, runs the example against it, cleans up."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_THE_DEMO}
    environment.setdefault("MONGODB_DATABASE", "conduit")
    if not environment.get("MONGODB_URI"):
        environment.pop("MONGODB_URI", None)
        environment["CONDUIT_MONGOD"] = str(tools.find(tools.MONGOD))
    toolchain.build("build", ["-p", SERVER_PACKAGE, "-p", EXAMPLES_PACKAGE, "--bins", "--examples"])
    built = toolchain.target_directory() / "debug"
    port = _port()
    url = f"http://{HOST}:{port}"
    environment.update(HOST=HOST, PORT=str(port), CONDUIT_URL=url)
    with _folder() as folder:
        with _server(built / "conduit-server", folder, environment) as server:
            _wait_until_ready(server, port, folder)
            environment.setdefault("MONGODB_URI", _uri_of_dev_mode(folder))
            print(f"The server runs. Its dashboard: {url}/", flush=True)
            if not once:
                print("Ctrl-C ends the demo.", flush=True)
            code = _run_example(built / "examples" / "demo", once, environment, server, folder)
            if code != 0:
                say(f"The end of the server's log:\n{servers.tail(_read_log(folder))}")
    print(f"The demo ended with exit code {code}." if code else "The demo ended well.", flush=True)
    return code


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for this run, removed at the end; if the server failed, all but its logs."""
    parent = toolchain.ROOT / ".conduit-demo"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        yield folder
    except Problem:
        for path in folder.rglob("*"):
            if path.suffix != ".log" and not path.is_dir():
                path.unlink()
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        try:
            parent.rmdir()
        except OSError:
            pass  # Another run's folder or a kept log lies in it.


@contextmanager
def _server(program: Path, folder: Path, environment: Dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    server = processes.start_in_background([str(program), "dev"], _log(folder), environment, folder)
    try:
        yield server
    finally:
        with Progress("stopping the server"):
            processes.end_session(server, END_SECONDS)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with Progress("starting the server"):
        while not _is_ready(port):
            _check_alive(server, folder)
            if time.monotonic() > deadline:
                raise _failed(f"the server was not ready after {READY_SECONDS:.0f} s", folder)
            time.sleep(WATCH_SECONDS)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _uri_of_dev_mode(folder: Path) -> str:
    try:
        return (folder / ".conduit" / "mongodb-uri").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise _failed("the server did not tell where its MongoDB is", folder) from error


def _run_example(
    program: Path, once: bool, environment: Dict[str, str], server: subprocess.Popen[bytes], folder: Path
) -> int:
    example = subprocess.Popen([str(program), *(["--once"] if once else [])], env=environment)
    try:
        while True:
            try:
                code = example.wait(WATCH_SECONDS)
                return code if code >= 0 else 128 - code
            except subprocess.TimeoutExpired:
                _check_alive(server, folder)
    except Interrupted as interrupted:
        # At a terminal the example had the Ctrl-C too, with the whole group.
        if interrupted.signal_number != signal.SIGINT or not processes.at_terminal():
            example.terminate()
        if once:
            raise
        return 0
    except Problem:
        example.terminate()
        raise
    finally:
        try:
            example.wait(processes.CHILD_END_SECONDS)
        except subprocess.TimeoutExpired:
            example.kill()
            example.wait()


def _check_alive(server: subprocess.Popen[bytes], folder: Path) -> None:
    code = server.poll()
    if code is not None:
        raise _failed(f"the server ended with exit code {code}", folder)


def _failed(what: str, folder: Path) -> Problem:
    return Problem(
        f"{what}; the end of its log:",
        f"{servers.tail(_read_log(folder))}\n"
        f"The whole log: {_log(folder)}\n"
        "If MongoDB is the trouble: set MONGODB_URI to a replica set that runs, or\n"
        "CONDUIT_MONGOD to another mongod (6.0 or newer), and try again.",
    )


def _log(folder: Path) -> Path:
    return folder / "server.log"


def _read_log(folder: Path) -> str:
    log = _log(folder)
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _port() -> int:
    wanted = os.environ.get("PORT")
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise Problem(f"PORT is set to {wanted}, which is no port")
        if not servers.is_free(int(wanted)):
            raise Problem(f"port {wanted} is in use", "Set PORT to another one, or leave it unset.")
        return int(wanted)
    return PREFERRED_PORT if servers.is_free(PREFERRED_PORT) else servers.free_port()


def main() -> int:
    """Reads the arguments and runs the demo."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--once"]):
        print("usage: python3 scripts/demo.py [--once]", file=sys.stderr)
        return 2
    processes.raise_on_signals()
    toolchain.check()
    return run_demo(once=bool(arguments))


if __name__ == "__main__":
    exit_with(main)
