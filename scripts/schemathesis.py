"""Runs Schemathesis, all of its checks, against a server of its own.

    python3 scripts/schemathesis.py [--cases 2000] [--seed N] [-- MORE...]

builds the server, starts it with a MongoDB, a Redis and a token, and has
requests made of its /openapi.json: sound ones and broken ones, of every
operation but the tail, which never ends. What comes back is compared with the
same document. More arguments go to `schemathesis run`. The last line says how
many cases there were; the exit code is not 0 if one got a 5xx or anything that
the document does not say.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping

import processes
import servers
import toolchain
import tools
from progress import exit_with, say
from python_tool import SCHEMATHESIS

SETUP = Path(__file__).resolve().parent / "schemathesis_setup"
PROGRAM = "conduit-server"
# Operations that cases are made up for; others are covered by their examples.
OPERATIONS = 20
COUNTED = re.compile(r"(\d[\d,]*) generated")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ConduitServer(servers.Server):
    """A server with a token, in a folder of its own."""

    def __init__(self, program: Path, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(program, folder)
        self._environment = dict(environment)

    @property
    def uri(self) -> str:
        return f"http://{servers.HOST}:{self.port}"

    def arguments(self) -> List[str]:
        return ["run"]

    def environment(self) -> Dict[str, str]:
        files = self._folder / "files"
        files.mkdir()
        return {
            **self._environment, "HOST": servers.HOST, "PORT": str(self.port), "RUST_LOG": "warn",
            "CONDUIT_FILE_DIR": str(files),
        }

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(servers.HOST, self.port, timeout=5.0)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    def log(self) -> str:
        """What it has logged."""
        return self._read_log()


@contextmanager
def conduit(token: str) -> Iterator[ConduitServer]:
    """A built server, with all it needs, up while it is used."""
    toolchain.build("build", ["-p", PROGRAM, "--all-features", "--bin", PROGRAM])
    program = toolchain.target_directory() / "debug" / PROGRAM
    with servers.running(eventbridge=False) as environment, tempfile.TemporaryDirectory() as folder:
        own = {
            **environment,
            "MONGODB_URI": environment["CONDUIT_TEST_MONGODB_URI"],
            "MONGODB_DATABASE": "schemathesis",
            "REDIS_URI": environment["CONDUIT_TEST_REDIS_URI"],
            "CONDUIT_API_TOKEN": token,
        }
        server = ConduitServer(program, Path(folder) / "server", own)
        try:
            server.start()
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


def main() -> int:
    """Runs it and prints the closing line."""
    parser = argparse.ArgumentParser(description="Runs Schemathesis against a server of its own.")
    parser.add_argument("--cases", type=int, default=2000, help="how many cases are made up (default 2000)")
    parser.add_argument("--seed", type=int, default=1, help="repeats the cases of that seed (default 1)")
    parser.add_argument("more", nargs=argparse.REMAINDER, help="for schemathesis run, after --")
    options = parser.parse_args()
    processes.raise_on_signals()
    toolchain.check()
    program = tools.find(SCHEMATHESIS)
    token = secrets.token_hex(16)
    counted: List[int] = []

    def read(line: str) -> None:
        found = COUNTED.search(ANSI.sub("", line))
        if found:
            counted.append(int(found.group(1).replace(",", "")))

    with conduit(token) as server:
        command = [
            str(program), "--config-file", str(SETUP / "schemathesis.toml"), "run", f"{server.uri}/openapi.json",
            "--header", f"Authorization: Bearer {token}", "--checks", "all", "--continue-on-failure",
            "--max-examples", str(max(1, options.cases // OPERATIONS)), "--seed", str(options.seed),
            "--exclude-path-regex", "/tail$", *options.more[1 if options.more[:1] == ["--"] else 0:],
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(SETUP)}
        with tempfile.TemporaryDirectory() as folder:
            code = processes.run(command, env=environment, cwd=Path(folder), on_line=read)
        panics = server.log().count("panicked at")
    if panics:
        say(f"error: the server panicked {panics} times")
    verdict = "passed" if code == 0 and not panics else "failed"
    print(f"schemathesis: {counted[-1] if counted else 0} cases, {verdict} (seed {options.seed})", flush=True)
    return 0 if verdict == "passed" else 1


if __name__ == "__main__":
    exit_with(main)
