"""Runs a command with the variables of the project's `.env` file, if there is one.

    python3 scripts/with_env.py COMMAND...

Lines are `NAME=value`, the value plain or in single or double quotes, taken as
it stands: nothing is expanded. What the environment has already wins.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Dict

from progress import Problem, exit_with

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"
ASSIGNMENT = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
PLAIN_VALUE_END = re.compile(r"\s+#.*$")


def parse(text: str) -> Dict[str, str]:
    """The variables of an env file.

    >>> parse("# comment\\nA=1 # one\\nexport B='x # y'\\n\\nC=\\"mongodb://h/?a=b&c=d\\"\\n")
    {'A': '1', 'B': 'x # y', 'C': 'mongodb://h/?a=b&c=d'}
    """
    variables: Dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = ASSIGNMENT.match(line)
        if found is None:
            raise Problem(f".env, line {number}: not of the form NAME=value")
        name, value = found.groups()
        quote = value[:1]
        if quote in ("'", '"'):
            end = value.find(quote, 1)
            if end < 0:
                raise Problem(f".env, line {number}: the quote of {name} is not closed")
            variables[name] = value[1:end]
        else:
            variables[name] = PLAIN_VALUE_END.sub("", value)
    return variables


def main() -> int:
    """Becomes the command, with the variables set."""
    command = sys.argv[1:]
    if not command:
        print("usage: python3 scripts/with_env.py COMMAND...", file=sys.stderr)
        return 2
    text = ENV_FILE.read_text(encoding="utf-8") if ENV_FILE.exists() else ""
    try:
        os.execvpe(command[0], command, {**parse(text), **os.environ})
    except OSError as error:
        raise Problem(f"cannot run {command[0]}: {error.strerror}") from error


if __name__ == "__main__":
    exit_with(main)
