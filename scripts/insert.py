"""Writes one document to the MongoDB that `make dev` started, where there is no mongosh.

    python3 scripts/insert.py COLLECTION DOCUMENT

DOCUMENT is JSON; without an `_id` MongoDB would want one made by a driver, so it
gets one of the time. The database is that of MONGODB_DATABASE, else `conduit`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

from mongo_wire import CommandFailed, Connection
from progress import Problem, exit_with, say

NOTE = Path(__file__).resolve().parent.parent / ".conduit" / "mongodb-uri"


def port() -> int:
    """Where the MongoDB of dev mode listens."""
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)", NOTE.read_text(encoding="utf-8"))
    except OSError:
        found = None
    if found is None:
        raise Problem("there is no MongoDB of dev mode here", "Start it with `make dev`; elsewhere write with mongosh.")
    return int(found.group(1))


def main() -> int:
    """Inserts the document and says which."""
    if len(sys.argv) != 3:
        say("usage: python3 scripts/insert.py COLLECTION DOCUMENT")
        return 2
    collection, text = sys.argv[1:]
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Problem(f"the document is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise Problem("the document must be a JSON object")
    document = {"_id": f"made-{time.time_ns()}", **document}
    command = {"insert": collection, "documents": [document]}
    try:
        with Connection(port()) as connection:
            reply = connection.command(command, os.environ.get("MONGODB_DATABASE") or "conduit")
    except CommandFailed as error:
        raise Problem(f"MongoDB refuses it: {error}") from error
    except ConnectionRefusedError:
        raise Problem("the MongoDB of dev mode does not run", "Start it with `make dev`.") from None
    for fault in reply.get("writeErrors", []):
        raise Problem(f"MongoDB refuses it: {fault.get('errmsg')}")
    print(json.dumps(document, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    exit_with(main)
