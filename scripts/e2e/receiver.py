"""An endpoint that keeps what it gets and answers as a test tells it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List

PATIENCE_SECONDS = 30.0
Answer = Callable[[Dict[str, Any]], int]


class Receiver:
    """A server on a free port of loopback; a context manager. It accepts everything until it is told otherwise."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.records: List[Dict[str, Any]] = []
        self._answer: Answer = lambda _record: 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                status = receiver._take(json.loads(self.rfile.read(length) or b"null"))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        ThreadingHTTPServer.daemon_threads = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def destination(self, **fields: Any) -> Dict[str, Any]:
        """A destination that sends here."""
        return {"type": "http", "id": "hook", "endpoint": self.url, **fields}

    def answer_with(self, answer: Answer) -> None:
        """From now on answers with the status that `answer` gives of a record."""
        with self._changed:
            self._answer = answer

    def break_down(self) -> None:
        """From now on fails as a whole."""
        self.answer_with(lambda _record: 503)

    def repair(self) -> None:
        """From now on accepts everything."""
        self.answer_with(lambda _record: 204)

    def wait_for(self, count: int) -> None:
        """Waits until so many records were accepted."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.records) >= count, PATIENCE_SECONDS):
                raise AssertionError(f"{len(self.records)} records were accepted, not {count}")

    def _take(self, body: Any) -> int:
        with self._changed:
            status = self._answer(body)
            if 200 <= status < 300:
                self.records.append(body)
                self._changed.notify_all()
            return status
