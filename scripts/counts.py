"""Reads from a test runner's output how many tests passed, failed and were skipped."""

from __future__ import annotations

import re
from dataclasses import dataclass

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NEXTEST = re.compile(r"^\s*Summary \[.*?\]\s+(?P<counts>.*\btests? run:.*)$")
LIBTEST = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
# Everything that nextest counts and that is no pass.
NEXTEST_FAILURES = re.compile(r"(\d+) (?:failed|exec failed|timed out)\b")
IN_BRACKETS = re.compile(r"\([^)]*\)")


@dataclass
class Counts:
    """How many tests there were, by what became of them."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def ran(self) -> int:
        """How many were run."""
        return self.passed + self.failed

    def add(self, other: Counts) -> None:
        """Adds another run's counts to these."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def read_nextest(self, line: str) -> None:
        """Adds what the closing line of cargo-nextest says; other lines say nothing.

        >>> counts = Counts()
        >>> counts.read_nextest("  Summary [ 0.1s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped")
        >>> counts.read_nextest("test result: FAILED. 0 passed; 1 failed; 0 ignored; as one of its tests may print")
        >>> print(counts)
        6 passed, 3 failed, 4 skipped
        """
        found = NEXTEST.match(COLOUR.sub("", line).rstrip())
        if found:
            text = IN_BRACKETS.sub("", found.group("counts"))
            failures = sum(int(count) for count in NEXTEST_FAILURES.findall(text))
            self.add(Counts(_count(text, "passed"), failures, _count(text, "skipped")))

    def read_libtest(self, line: str) -> None:
        """Adds what the closing line of a test program under `cargo test` says.

        >>> counts = Counts()
        >>> counts.read_libtest("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out")
        >>> counts.read_libtest("test delivery::a_test ... ok")
        >>> print(counts)
        3 passed, 0 failed, 1 skipped
        """
        found = LIBTEST.match(COLOUR.sub("", line))
        if found:
            self.add(Counts(*(int(group) for group in found.groups())))

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def _count(text: str, outcome: str) -> int:
    found = re.search(rf"(\d+) {outcome}\b", text)
    return int(found.group(1)) if found else 0
