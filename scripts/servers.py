"""Runs a command with a MongoDB, a Redis and an emulator of AWS of its own.

    python3 scripts/servers.py [--mongod] [--redis] [--eventbridge] -- COMMAND...

starts a single-member replica set, a Redis without persistence, and an emulator
of EventBridge and SQS (all, if none is named) on free loopback ports, with their
data in a temporary folder, runs the command, passes on its exit code, and always
ends the servers and removes their data. The command finds them by

    CONDUIT_TEST_MONGODB_URI, CONDUIT_TEST_REDIS_URI,
    CONDUIT_TEST_EVENTBRIDGE_ENDPOINT                  where they listen
    CONDUIT_MONGOD, CONDUIT_REDIS_SERVER               programs, for tests that start their own

A server whose CONDUIT_TEST_... is set already is taken as it is.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional

import processes
import tools
from mongo_wire import CommandFailed, Connection
from progress import Problem, Progress, exit_with, say

HOST = "127.0.0.1"
REPLICA_SET = "rs0"
# Tests may give every case a database of its own.
REDIS_DATABASES = 1024
READY_SECONDS = 60.0
POLL_SECONDS = 0.02
END_SECONDS = 5.0
START_ATTEMPTS = 3
DATA_PREFIX = "conduit-servers-"
LEFT_BEHIND_SECONDS = 60.0
LOG_TAIL_LINES = 15


class Server(ABC):
    """A server process of ours, from its start to its end."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = 0
        self._program = program
        self._folder = folder
        self._process: Optional[subprocess.Popen[bytes]] = None

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def arguments(self) -> List[str]:
        """The command line after the program's name."""

    def environment(self) -> Optional[Dict[str, str]]:
        """Its environment, if it is not ours."""
        return None

    @abstractmethod
    def is_ready(self) -> bool:
        """Asks the server, once; may raise what a connection raises."""

    def start(self) -> None:
        """Starts the process on a free port, without waiting until it serves."""
        self.port = free_port()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        command = [str(self._program), *self.arguments()]
        self._process = processes.start_in_background(command, self._log, self.environment())

    def wait_until_ready(self) -> None:
        """Waits until it serves; `Problem` with its log if it will not."""
        with Progress(f"starting {self._program.name}"):
            for attempt in range(1, START_ATTEMPTS + 1):
                if self._becomes_ready():
                    return
                # Somebody else may have taken the port since we saw it free.
                taken = "address already in use" in self._read_log().lower()
                self.stop()
                if not taken or attempt == START_ATTEMPTS:
                    break
                self.start()
        raise Problem(f"{self._program} did not start; the end of its log:", tail(self._read_log()))

    def stop(self) -> None:
        """Ends the process; without effect if it is not running."""
        if self._process is not None:
            processes.end_session(self._process, END_SECONDS)
            self._process = None

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _read_log(self) -> str:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                if self.is_ready():
                    return True
            except (OSError, CommandFailed):
                pass
            time.sleep(POLL_SECONDS)
        return False


class Mongod(Server):
    """A replica set of one member, tuned for tests: nothing in it need survive."""

    @property
    def uri(self) -> str:
        return f"mongodb://{HOST}:{self.port}/?replicaSet={REPLICA_SET}"

    def arguments(self) -> List[str]:
        data = self._folder / "data"
        data.mkdir()
        parameters = (
            "diagnosticDataCollectionEnabled=false",
            # Lets tests set fail points, and SIGTERM end it at once.
            "enableTestCommands=1",
            "shutdownTimeoutMillisForSignaledShutdown=0",
        )
        settings = [part for each in parameters for part in ("--setParameter", each)]
        return [
            "--dbpath", str(data), "--port", str(self.port), "--bind_ip", HOST, "--nounixsocket",
            "--replSet", REPLICA_SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", "0.5", *settings,
        ]

    def is_ready(self) -> bool:
        with Connection(self.port, HOST) as connection:
            hello = connection.command({"hello": 1})
            if hello.get("isreplicaset"):
                self._initiate(connection)
            return bool(hello.get("isWritablePrimary"))

    def _initiate(self, connection: Connection) -> None:
        config = {
            "_id": REPLICA_SET,
            "members": [{"_id": 0, "host": f"{HOST}:{self.port}"}],
            # Majority writes need not wait for the disk.
            "writeConcernMajorityJournalDefault": False,
        }
        try:
            connection.command({"replSetInitiate": config})
        except CommandFailed as error:
            if error.code_name != "AlreadyInitialized":
                raise


class Redis(Server):
    """A Redis that keeps nothing on disk."""

    @property
    def uri(self) -> str:
        return f"redis://{HOST}:{self.port}"

    def arguments(self) -> List[str]:
        return [
            "--port", str(self.port), "--bind", HOST, "--dir", str(self._folder), "--daemonize", "no",
            "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
            "--databases", str(REDIS_DATABASES),
        ]

    def is_ready(self) -> bool:
        with socket.create_connection((HOST, self.port), 5.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")


class EventBridge(Server):
    """An emulator of EventBridge, SQS and STS that keeps nothing."""

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self.port}"

    def arguments(self) -> List[str]:
        return ["-H", HOST, "-p", str(self.port)]

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5.0)
        try:
            connection.request("GET", "/moto-api/")
            return connection.getresponse().status == 200
        except http.client.HTTPException:
            return False
        finally:
            connection.close()


@contextmanager
def running(mongod: bool = True, redis: bool = True, eventbridge: bool = True) -> Iterator[Dict[str, str]]:
    """The environment for a command, with the servers up while it is used."""
    environment = dict(os.environ)
    with ExitStack() as stack:
        folder = stack.enter_context(_data_folder())
        servers: Dict[str, Server] = {}
        if mongod:
            program = tools.find(tools.MONGOD)
            environment["CONDUIT_MONGOD"] = str(program)
            servers["CONDUIT_TEST_MONGODB_URI"] = Mongod(program, folder / "mongod")
        if redis:
            program = tools.find(tools.REDIS_SERVER)
            environment["CONDUIT_REDIS_SERVER"] = str(program)
            servers["CONDUIT_TEST_REDIS_URI"] = Redis(program, folder / "redis")
        if eventbridge and not environment.get("CONDUIT_TEST_EVENTBRIDGE_ENDPOINT"):
            program = tools.find(tools.MOTO_SERVER)
            servers["CONDUIT_TEST_EVENTBRIDGE_ENDPOINT"] = EventBridge(program, folder / "eventbridge")
        ours = {name: server for name, server in servers.items() if not environment.get(name)}
        for server in ours.values():
            stack.callback(server.stop)
            server.start()
        for name, server in ours.items():
            server.wait_until_ready()
            environment[name] = server.uri
        yield environment


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether one could listen on that loopback port right now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def tail(log: str) -> str:
    """The last lines of a log, none of them too long to read."""
    lines = log.strip().splitlines()[-LOG_TAIL_LINES:]
    return "\n".join(line[:400] for line in lines) or "(the log is empty)"


@contextmanager
def _data_folder() -> Iterator[Path]:
    """A temporary folder, removed at the end; also those of runs that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{DATA_PREFIX}*"):
        try:
            # A younger one may be between being made and being locked.
            if time.time() - left.stat().st_mtime < LEFT_BEHIND_SECONDS:
                continue
            with (left / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass  # In use, or not ours.
    folder = Path(tempfile.mkdtemp(prefix=DATA_PREFIX))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Runs the command that stands after `--`."""
    parser = argparse.ArgumentParser(description="Runs a command with servers of its own.")
    parser.add_argument("--mongod", action="store_true", help="start a MongoDB replica set")
    parser.add_argument("--redis", action="store_true", help="start a Redis")
    parser.add_argument("--eventbridge", action="store_true", help="start an emulator of EventBridge")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command, after --")
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        say("usage: python3 scripts/servers.py [--mongod] [--redis] [--eventbridge] -- COMMAND...")
        return 2
    every = not (options.mongod or options.redis or options.eventbridge)
    processes.raise_on_signals()
    with running(
        mongod=options.mongod or every,
        redis=options.redis or every,
        eventbridge=options.eventbridge or every,
    ) as environment:
        return processes.run(command, env=environment)


if __name__ == "__main__":
    exit_with(main)
