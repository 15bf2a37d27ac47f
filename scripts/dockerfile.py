"""Reads a Dockerfile and a .dockerignore, as far as this project's go."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from progress import Problem

INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$", re.DOTALL)
OPTION = re.compile(r"^--([a-z]+)=(\S+)\s+(.*)$", re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)\}")
KNOWN = {
    "ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}


@dataclass(frozen=True)
class Step:
    """One instruction, its options taken off and its build arguments filled in."""

    name: str
    options: Tuple[Tuple[str, str], ...]
    rest: str

    def option(self, name: str) -> str:
        """An option's value, or nothing."""
        return dict(self.options).get(name, "")

    @property
    def words(self) -> List[str]:
        """The rest as a command's words: the JSON form, or the shell's."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """What follows one FROM."""

    base: str
    name: str
    steps: List[Step] = field(default_factory=list)

    def last(self, name: str) -> Step:
        """The instruction of this name that counts, or a `Problem`."""
        found = [step for step in self.steps if step.name == name]
        if not found:
            raise Problem(f"the Dockerfile's stage {self.name or self.base} has no {name}")
        return found[-1]


def stages(text: str) -> List[Stage]:
    """The stages of a Dockerfile.

    >>> text = 'ARG A=1.2\\nFROM x:${A} AS b\\n# no\\nRUN --mount=type=cache,target=/t a \\\\\\n  && b\\n'
    >>> [stage] = stages(text)
    >>> stage.base, stage.name, stage.steps[0].option("mount"), stage.steps[0].rest
    ('x:1.2', 'b', 'type=cache,target=/t', 'a   && b')
    """
    result: List[Stage] = []
    arguments: Dict[str, str] = {}
    for line in _logical_lines(text):
        found = INSTRUCTION.match(line)
        if found is None or found.group(1) not in KNOWN:
            raise Problem(f"the Dockerfile has a line that is not understood: {line}")
        name, rest = found.groups()
        rest = VARIABLE.sub(lambda each: arguments.get(each.group(1), ""), rest)
        options: List[Tuple[str, str]] = []
        while name in ("RUN", "COPY", "HEALTHCHECK") and (option := OPTION.match(rest)):
            options.append((option.group(1), option.group(2)))
            rest = option.group(3)
        if name == "ARG":
            key, _, value = rest.partition("=")
            arguments.setdefault(key, value)
        elif name == "FROM":
            base, _, stage = rest.partition(" AS ")
            result.append(Stage(base, stage))
        else:
            result[-1].steps.append(Step(name, tuple(options), rest))
    return result


def _logical_lines(text: str) -> Iterator[str]:
    line = ""
    for raw in text.splitlines():
        if raw.lstrip().startswith("#") or not raw.strip():
            continue
        line += raw.strip() if not line else raw
        if line.endswith("\\"):
            line = line[:-1]
            continue
        yield line
        line = ""


class Ignored:
    """Which files of a folder a .dockerignore keeps out of the build.

    >>> ignored = Ignored("# all\\n*\\n!conduit-*\\n!docs/a.md\\n**/target\\n")
    >>> [ignored.keeps_out(path) for path in ("x", "conduit-core/src/a.rs", "conduit-core/target/x", "docs/a.md", "docs/b.md")]
    [True, False, True, False, True]
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [
            (not line.startswith("!"), _expression(line.lstrip("!")), line.lstrip("!"))
            for line in lines
            if line and not line.startswith("#")
        ]

    def keeps_out(self, path: str) -> bool:
        """Whether a file or folder, by its path in the folder, is kept out: the last rule about it or a parent decides."""
        verdict = False
        parts = path.split("/")
        parents = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        for keeps_out, expression, _ in self._rules:
            if any(expression.match(parent) for parent in parents):
                verdict = keeps_out
        return verdict

    def files(self, root: Path) -> Iterator[str]:
        """The paths of all files that are let in."""
        for folder, folders, files in os.walk(root):
            inside = Path(folder).relative_to(root).as_posix()
            prefix = "" if inside == "." else f"{inside}/"
            folders[:] = sorted(name for name in folders if self._may_hold_some(f"{prefix}{name}"))
            yield from (f"{prefix}{name}" for name in sorted(files) if not self.keeps_out(f"{prefix}{name}"))

    def _may_hold_some(self, folder: str) -> bool:
        exceptions = (pattern for keeps_out, _, pattern in self._rules if not keeps_out)
        return not self.keeps_out(folder) or any(pattern.startswith(f"{folder}/") for pattern in exceptions)


def _expression(pattern: str) -> "re.Pattern[str]":
    parts = re.split(r"(\*\*/|\*)", pattern.strip("/"))
    inner = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(inner.get(part, re.escape(part)) for part in parts) + r"\Z")
