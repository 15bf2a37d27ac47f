"""Tells people what a script is doing, and what to do when it cannot go on."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Callable, Optional, Type

from processes import Interrupted

QUIET_SECONDS = 2.0
PLAIN_LINE_EVERY_SECONDS = 10.0
REDRAW_EVERY_SECONDS = 0.2


class Problem(Exception):
    """Something that a person has to put right: what is wrong, and the cure."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure


class Progress:
    """Shows on stderr that a step is under way.

    On a terminal it is one line that is updated; elsewhere it is a plain line
    after two seconds and then every ten. Of steps shorter than that nothing stays.
    `detail`, if given, is asked for a few words each time the line is drawn.
    """

    def __init__(self, step: str, detail: Optional[Callable[[], str]] = None) -> None:
        self._step = step
        self._detail = detail
        self._terminal = sys.stderr.isatty()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_finished, daemon=True)
        self._started = 0.0
        self._shown = False

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._finished.set()
        self._thread.join()
        if self._shown and self._seconds() < QUIET_SECONDS:
            self._write("")
        elif self._shown:
            outcome = "done" if error is None else "stopped"
            self._write(f"{self._step}: {outcome} after {self._seconds():.0f} s", last=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _draw_until_finished(self) -> None:
        pause = REDRAW_EVERY_SECONDS if self._terminal else QUIET_SECONDS
        while not self._finished.wait(pause):
            detail = self._detail() if self._detail else ""
            line = f"{self._step} ... {self._seconds():.0f} s"
            self._write(f"{line}, {detail}" if detail else line)
            self._shown = True
            if not self._terminal:
                pause = PLAIN_LINE_EVERY_SECONDS

    def _write(self, line: str, last: bool = False) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\033[K{line}" + ("\n" if last else ""))
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def say(line: str) -> None:
    """Prints a line on stderr, where it cannot be taken for a result."""
    print(line, file=sys.stderr, flush=True)


def exit_with(main: Callable[[], int]) -> None:
    """Runs `main` and ends the process with its exit code.

    A `Problem` or an error of the system is told in plain words instead of a
    traceback, and a signal gives the exit code that a shell would give.
    """
    try:
        code = main()
    except Problem as problem:
        say(f"error: {problem.what}")
        for line in problem.cure.splitlines():
            say(f"  {line}")
        code = 1
    except Interrupted as interrupted:
        code = 128 + interrupted.signal_number
    except BrokenPipeError:
        code = 1
    except OSError as error:
        say(f"error: {error.filename or 'the system'}: {error.strerror}")
        code = 1
    sys.stdout.flush()
    sys.exit(code)
