"""Checks what Prometheus is given: the alert rules, and the metrics of a server that runs.

    python3 scripts/promtool.py [rules|metrics [URL]]

`rules` checks `deploy/prometheus/conduit.rules.yml` and runs its tests;
`metrics` checks the names and texts of a server's /metrics: of the one at URL
(CONDUIT_API_TOKEN is its token), else of one that it builds and starts, with a
collection and a delivered record. Without an argument it does both. `promtool`
is taken from CONDUIT_PROMTOOL, else from the PATH, else it is installed with
Debian's package `prometheus`, which only root may.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import mongo_wire
import processes
import servers
import system_packages
import toolchain
from progress import Problem, Progress, exit_with, say

FOLDER = toolchain.ROOT / "deploy" / "prometheus"
RULES = FOLDER / "conduit.rules.yml"
TESTS = FOLDER / "conduit.rules.test.yml"
SCRAPE = FOLDER / "conduit.scrape.yml"
PATIENCE_SECONDS = 60.0
WATCH_SECONDS = 0.2
DATABASE = "conduit_promtool"
COLLECTION = "orders"
# Each has to be there once a destination has had a record and the oplog was looked at.
WANTED = (
    "conduit_watchers_active", "conduit_change_streams_open", "conduit_records_total", "conduit_retry_queue_length",
    "conduit_dlq_length", "conduit_lag_seconds", "conduit_hold_since_timestamp_seconds", "conduit_destination_state",
    "conduit_history_seconds_left", "conduit_oplog_window_seconds", "conduit_stuck",
    "conduit_delivery_duration_seconds", "conduit_end_to_end_seconds",
)


def promtool() -> str:
    """The path of promtool, installed if need be and if we may."""
    chosen = os.environ.get("CONDUIT_PROMTOOL")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise Problem(f"CONDUIT_PROMTOOL is set to {chosen}, which is no program")
        return chosen
    found = shutil.which("promtool")
    if found is None:
        system_packages.install(["prometheus"], "promtool, which checks alert rules, was not found")
        found = shutil.which("promtool")
    if found is None:
        what = "the package prometheus is installed, but there is no promtool"
        raise Problem(what, "Set CONDUIT_PROMTOOL to the path of one.")
    return found


def check_rules(program: str) -> None:
    """Checks the rules, the example of a configuration, and that each alert fires when it should and only then."""
    _run([program, "check", "rules", str(RULES)])
    _run([program, "check", "config", "--syntax-only", str(SCRAPE)])
    _run([program, "test", "rules", TESTS.name])
    say("promtool: the alert rules are well and do what their tests say")


def check_metrics(program: str, text: str) -> None:
    """Checks names, types and help texts, and that no metric is missing that the rules or the guide speak of."""
    missing = [name for name in WANTED if f"# TYPE {name} " not in text]
    if missing:
        raise Problem(f"these metrics are missing: {', '.join(missing)}", text)
    _run([program, "check", "metrics"], text)
    say("promtool: the metrics are well")


def _run(command: List[str], text: Optional[str] = None) -> None:
    result = subprocess.run(
        command, cwd=FOLDER, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # `check metrics` prints what it would rather have and still may succeed.
    if result.returncode != 0 or (text is not None and result.stdout.strip()):
        shown = " ".join([Path(command[0]).name, *command[1:3]])
        raise Problem(f"{shown} is not content", result.stdout.strip())


def fetch(url: str, token: Optional[str] = None) -> str:
    """The text at an address."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


class _Hook(http.server.BaseHTTPRequestHandler):
    """Takes whatever comes."""

    def do_POST(self) -> None:  # noqa: N802 (the name is the library's)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def _receiver() -> Iterator[str]:
    hook = http.server.ThreadingHTTPServer((servers.HOST, 0), _Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    try:
        yield f"http://{servers.HOST}:{hook.server_address[1]}/"
    finally:
        hook.shutdown()
        hook.server_close()


def metrics_of_a_server() -> str:
    """The metrics of a server of our own that has delivered a record."""
    toolchain.build("build", ["-p", "conduit-server", "--bin", "conduit-server"])
    program = toolchain.target_directory() / "debug" / "conduit-server"
    with tempfile.TemporaryDirectory(prefix="conduit-promtool-") as name, servers.running(
        redis=False, eventbridge=False
    ) as environment, _receiver() as endpoint:
        folder = Path(name)
        base = f"http://{servers.HOST}:{servers.free_port()}"
        uri = environment["CONDUIT_TEST_MONGODB_URI"]
        own = {
            "MONGODB_URI": uri, "MONGODB_DATABASE": DATABASE,
            "CONDUIT_STATE": f"embedded:{folder / 'state'}", "PORT": base.rsplit(":", 1)[1],
        }
        log = folder / "server.log"
        server = processes.start_in_background([str(program), "run"], log, {**_without_ours(environment), **own}, folder)
        try:
            with Progress("waiting for a server that has delivered a record"):
                return _until_delivered(base, endpoint, uri, server, log)
        finally:
            processes.end_session(server, PATIENCE_SECONDS)


def _without_ours(environment: Dict[str, str]) -> Dict[str, str]:
    unwanted = ("REDIS_URI", "HOST", "CONDUIT_API_TOKEN", "CONDUIT_API_READ_TOKEN")
    return {name: value for name, value in environment.items() if name not in unwanted}


def _until_delivered(base: str, endpoint: str, uri: str, server: "subprocess.Popen[bytes]", log: Path) -> str:
    body = {
        "collection_name": COLLECTION, "stream_enabled": True, "deletion_protection": False,
        "destinations": [{"id": "hook", "type": "http", "endpoint": endpoint}],
    }
    deadline = time.monotonic() + PATIENCE_SECONDS
    is_created = False
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if not is_created:
                fetch(f"{base}/ready")
                _create(f"{base}/api/collections", body)
                _insert(uri)
                is_created = True
            text = fetch(f"{base}/metrics")
            if all(f"# TYPE {name} " in text for name in WANTED):
                return text
        except (OSError, urllib.error.URLError):
            pass  # Not ready yet.
        time.sleep(WATCH_SECONDS)
    raise Problem("no server of our own showed all its metrics", servers.tail(log.read_text(errors="replace")))


def _create(url: str, body: Dict[str, Any]) -> None:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()


def _insert(uri: str) -> None:
    place = urllib.parse.urlsplit(uri)
    with mongo_wire.Connection(place.port or 27017, place.hostname or servers.HOST) as connection:
        connection.command({"insert": COLLECTION, "documents": [{"_id": 1}]}, DATABASE)


def main() -> int:
    """Reads the arguments and checks."""
    arguments = sys.argv[1:]
    what = arguments[0] if arguments else "all"
    if what not in ("all", "rules", "metrics") or len(arguments) > (2 if what == "metrics" else 1):
        say("usage: python3 scripts/promtool.py [rules|metrics [URL]]")
        return 2
    processes.raise_on_signals()
    program = promtool()
    if what != "metrics":
        check_rules(program)
    if what != "rules":
        url = arguments[1] if len(arguments) > 1 else None
        text = fetch(url, os.environ.get("CONDUIT_API_TOKEN")) if url else metrics_of_a_server()
        check_metrics(program, text)
    return 0


if __name__ == "__main__":
    exit_with(main)
