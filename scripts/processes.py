"""Starts child processes and makes sure that none is left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHILD_END_SECONDS = 15.0
DRAIN_SECONDS = 2.0
PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Interrupted(BaseException):
    """A signal asked this process to end; `with` blocks clean up on the way."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number


def raise_on_signals() -> None:
    """Turns the first SIGINT, SIGTERM or SIGHUP into `Interrupted`.

    Later ones are ignored, so that they cannot cut the cleaning up short; all
    cleaning up is bounded in time.
    """

    def stop(number: int, _frame: object) -> None:
        for each in END_SIGNALS:
            signal.signal(each, lambda *_: None)
        raise Interrupted(number)

    for each in END_SIGNALS:
        signal.signal(each, stop)


def at_terminal() -> bool:
    """Whether a person at a terminal may have pressed Ctrl-C."""
    return sys.stdin is not None and sys.stdin.isatty()


def start_in_background(
    command: Sequence[str],
    log: Path,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[Path] = None,
) -> subprocess.Popen[bytes]:
    """Starts a server in a session of its own, its output appended to `log`.

    A Ctrl-C at the terminal does not reach it, so that its owner decides when
    it ends. On Linux it also ends when its owner is killed outright.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_end_with_parent if _LIBC else None,
        )


def end_session(process: subprocess.Popen[bytes], patience: float) -> bool:
    """Ends a process of `start_in_background` and whatever it left running.

    Sends SIGTERM and waits `patience` seconds before SIGKILL. Returns whether
    the process ended by itself in that time.
    """
    gracefully = True
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            gracefully = False
    try:
        # The session's group has the process's id, and lives on while any
        # member of it does.
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    return gracefully


def run(
    command: Sequence[str],
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[Path] = None,
    on_line: Optional[Callable[[str], None]] = None,
) -> int:
    """Runs a command in the foreground and returns its exit code.

    With `on_line`, its output (both streams) is shown as it comes and each
    line is handed over too. An interruption is passed on to the command, which
    gets a bounded time to end.
    """
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE if on_line else None,
            stderr=subprocess.STDOUT if on_line else None,
            env=dict(env) if env is not None else None,
            cwd=cwd,
        )
    except OSError as error:
        print(f"error: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    reader = None
    if on_line is not None:
        reader = threading.Thread(target=_copy, args=(process, on_line), daemon=True)
        reader.start()
    try:
        code = process.wait()
    except Interrupted as interrupted:
        _pass_on(process, interrupted.signal_number)
        raise
    finally:
        if reader is not None:
            # A grandchild may hold the pipe open for ever: the wait is bounded.
            reader.join(DRAIN_SECONDS)
    return code if code >= 0 else 128 - code


def _copy(process: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for raw in process.stdout:
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
        on_line(raw.decode("utf-8", "replace"))


def _pass_on(process: subprocess.Popen[bytes], number: int) -> None:
    # A terminal sends its Ctrl-C to the whole foreground group: the command
    # has it already, and many take a second one as "at once".
    if number != signal.SIGINT or not at_terminal():
        process.send_signal(number)
    try:
        process.wait(CHILD_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
