"""A server of Conduit for one scenario, and its database."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import processes
import servers
from mongo_wire import Connection
from progress import Problem

READY_SECONDS = 60.0
END_SECONDS = 20.0
POLL_SECONDS = 0.05
# What the surroundings may say of another server.
NOT_FOR_THE_TESTS = (
    "REDIS_URI", "HOST", "PORT", "WORKER_PORT", "CONDUIT_API_TOKEN", "CONDUIT_API_READ_TOKEN", "CONDUIT_EGRESS",
    "CONDUIT_ALLOW_ANONYMOUS",
)


class Host:
    """`conduit-server run` with embedded state and a database of its own; a context manager."""

    def __init__(self, program: Path, folder: Path, mongodb_uri: str, settings: Optional[Mapping[str, str]] = None) -> None:
        self._program = program
        self._folder = folder
        self._mongodb_uri = mongodb_uri
        self._settings = dict(settings or {})
        self.database = f"e2e_{folder.name}"[:60]
        self.port = servers.free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Host:
        self._folder.mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_THE_TESTS}
        environment.update(
            MONGODB_URI=self._mongodb_uri, MONGODB_DATABASE=self.database, HOST="127.0.0.1", PORT=str(self.port),
            CONDUIT_STATE=f"embedded:{self._folder / 'state'}", **self._settings,
        )
        self._process = processes.start_in_background([str(self._program), "run"], self._log, environment)
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                processes.end_session(self._process, END_SECONDS)
                raise Problem("the server did not start; the end of its log:", servers.tail(self.log()))
            time.sleep(POLL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        processes.end_session(self._process, END_SECONDS)

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def log(self) -> str:
        """What the server wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def ask(self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None) -> Any:
        """A request to the API, as somebody else makes it; the answer must be a good one."""
        status, answer = self.request(method, path, body, headers)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def request(self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None) -> Any:
        """The status of an answer and its JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            token = self._settings.get("CONDUIT_API_TOKEN")
            given = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
            connection.request(method, path, None if body is None else json.dumps(body), {**given, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            try:
                return response.status, json.loads(text or b"null")
            except ValueError:
                return response.status, text.decode("utf-8", "replace")
        finally:
            connection.close()

    def configure(self, name: str, *destinations: Dict[str, Any], **fields: Any) -> None:
        """Configures a streaming collection."""
        body = {"collection_name": name, "stream_enabled": True, "deletion_protection": False, **fields}
        self.ask("POST", "/api/collections", {**body, "destinations": list(destinations)})

    def insert(self, collection: str, documents: List[Dict[str, Any]]) -> None:
        """Writes documents to MongoDB."""
        self.mongo({"insert": collection, "documents": documents})

    def mongo(self, command: Dict[str, Any]) -> Dict[str, Any]:
        """Runs a command on the database."""
        port = int(self._mongodb_uri.split("/")[2].rsplit(":", 1)[1])
        with Connection(port) as connection:
            return connection.command(command, self.database)

    def _is_ready(self) -> bool:
        try:
            status, _ = self.request("GET", "/ready")
            return bool(status == 200)
        except (OSError, http.client.HTTPException):
            return False
