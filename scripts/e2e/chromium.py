"""A Chromium without a window, steered over its DevTools protocol through two pipes.

The pipes need no library: messages are JSON, each ended by a NUL.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import processes
import system_packages
from progress import Problem

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ANSWER_SECONDS = 60.0
END_SECONDS = 5.0
ARGUMENTS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-gpu", "--hide-scrollbars", "--lang=en-US", "--force-color-profile=srgb",
)
# Puts the pipes where Chromium looks for them, and becomes it.
TRAMPOLINE = "import os, sys; a = sys.argv; os.dup2(int(a[1]), 3); os.dup2(int(a[2]), 4); os.execv(a[3], a[3:])"
FIRST_FREE_DESCRIPTOR = 10

Handler = Callable[[Dict[str, Any]], None]


def find() -> Path:
    """The browser: CONDUIT_CHROMIUM, else one on the PATH, else Debian's, which is installed if we may."""
    chosen = os.environ.get("CONDUIT_CHROMIUM")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise Problem(f"CONDUIT_CHROMIUM is set to {chosen}, which is no program")
        return Path(chosen)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        system_packages.install(["chromium"], "Chromium, in which the dashboard is tested, was not found")
        found = shutil.which("chromium")
    if found is None:
        raise Problem("Chromium was installed but is not on the PATH", "Set CONDUIT_CHROMIUM to its path.")
    return Path(found)


class CommandFailed(Exception):
    """The browser refused a command."""


class Chromium:
    """A running browser; a context manager."""

    def __init__(self, program: Path) -> None:
        self._folder = tempfile.mkdtemp(prefix="conduit-chromium-")
        ours_in, theirs_out = _pipe()
        theirs_in, ours_out = _pipe()
        # In a container there is no sandbox to be had, nor a need for one: it only sees our own pages.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        arguments = [*ARGUMENTS, *sandbox, f"--user-data-dir={self._folder}", "about:blank"]
        with open(os.path.join(self._folder, "log"), "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", TRAMPOLINE, str(theirs_in), str(theirs_out), str(program), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(theirs_in, theirs_out),
                start_new_session=True, env={**os.environ, "TZ": "UTC", "LANG": "en_US.UTF-8"},
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        self._last = 0
        self._lock = threading.Lock()
        self._answers: Dict[int, Dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self._handlers: Dict[str, Handler] = {}
        self._is_gone = False
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        processes.end_session(self._process, END_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def command(self, method: str, parameters: Optional[Dict[str, Any]] = None, session: str = "") -> Dict[str, Any]:
        """Sends a command and returns its result."""
        with self._lock:
            self._last += 1
            number = self._last
            message = {"id": number, "method": method, "params": parameters or {}}
            if session:
                message["sessionId"] = session
            self._out.write(json.dumps(message).encode() + b"\0")
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._answers or self._is_gone, ANSWER_SECONDS):
                raise CommandFailed(f"{method}: no answer in {ANSWER_SECONDS:.0f} s")
            answer = self._answers.pop(number, {"error": {"message": "the browser is gone"}})
        if "error" in answer:
            raise CommandFailed(f"{method}: {answer['error'].get('message')}")
        result: Dict[str, Any] = answer.get("result", {})
        return result

    def listen(self, session: str, handler: Handler) -> None:
        """Hands the events of a session to `handler`, one at a time; it must not send commands."""
        self._handlers[session] = handler

    def _read(self) -> None:
        left = b""
        while True:
            try:
                read = self._in.read(1 << 16)
            except OSError:
                read = b""
            if not read:
                break
            *messages, left = (left + read).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    with self._arrived:
                        self._answers[message["id"]] = message
                        self._arrived.notify_all()
                else:
                    self._handlers.get(message.get("sessionId", ""), lambda _: None)(message)
        with self._arrived:
            self._is_gone = True
            self._arrived.notify_all()


def _pipe() -> List[int]:
    """A pipe whose ends are not where the browser's own are to be."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR))
        os.close(end)
    return ends
