"""Sets a scenario up, runs it, and looks at what a page must never do."""

from __future__ import annotations

import http.client
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional

from .chromium import Chromium
from .host import Host
from .page import Page
from .receiver import Receiver


class Skipped(Exception):
    """The scenario has nothing to look at; the message says why."""


@dataclass(frozen=True)
class Scenario:
    """A test: what is done, and the settings of its server."""

    name: str
    act: Callable[[Stage], None]
    settings: Mapping[str, str] = field(default_factory=dict)


SCENARIOS: List[Scenario] = []


def scenario(act: Any = None, *, settings: Optional[Mapping[str, str]] = None) -> Any:
    """Makes a scenario of a function."""

    def add(act: Callable[[Stage], None]) -> Callable[[Stage], None]:
        SCENARIOS.append(Scenario(act.__name__, act, dict(settings or {})))
        return act

    return add if act is None else add(act)


@dataclass
class Stage:
    """What a scenario works with."""

    host: Host
    receiver: Receiver
    page: Page
    pictures: Optional[Path]

    def need(self, condition: bool, otherwise: str) -> None:
        """Skips the scenario if the server does not have what it is about."""
        if not condition:
            raise Skipped(otherwise)

    def has_header(self, path: str, name: str) -> bool:
        """Whether an answer has a header."""
        return self._head(path).getheader(name) is not None

    def has_path(self, path: str) -> bool:
        """Whether the server has something there."""
        return self._head(path).status == 200

    def screenshot(self, name: str, is_whole: bool = False) -> None:
        """Keeps a picture, if pictures are wanted."""
        if self.pictures is not None:
            self.page.screenshot(self.pictures / f"{name}.png", is_whole)

    def _head(self, path: str) -> http.client.HTTPResponse:
        # Only the head is read: a stream has no end.
        connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse()
        finally:
            connection.close()


@dataclass
class Theatre:
    """What all scenarios share."""

    browser: Chromium
    program: Path
    mongodb_uri: str
    folder: Path
    pictures: Optional[Path] = None

    def perform(self, scenario: Scenario) -> None:
        """Runs a scenario; raises what is wrong, or `Skipped`."""
        with ExitStack() as stack:
            receiver = stack.enter_context(Receiver())
            folder = self.folder / scenario.name
            host = stack.enter_context(Host(self.program, folder, self.mongodb_uri, scenario.settings))
            page = Page(self.browser, host.origin)
            stack.callback(page.close)
            page.set_scheme("light")
            try:
                scenario.act(Stage(host, receiver, page, self.pictures))
            except Skipped:
                raise
            except Exception as error:
                page.screenshot(self.folder / f"{scenario.name}.png")
                raise AssertionError("\n".join([str(error) or repr(error), *page.faults])) from error
            assert not page.faults, "\n".join(page.faults)

