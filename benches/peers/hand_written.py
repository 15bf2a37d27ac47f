"""Delivers changes as most people write it: watch, one POST, save the token.

    hand_written.py MONGODB_URI DATABASE COLLECTION TOKEN_FILE URL

starts after the token in the file, or now. Says "ready" once it streams, and stops
at the end of its standard input.
"""

import os
import sys
import threading

import requests
from bson import json_util
from pymongo import MongoClient


def end_with_input() -> None:
    """Ends the process wherever it is, as a kill would: the token is saved after each record."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Watches, posts, saves."""
    uri, database, collection, token_file, url = sys.argv[1:]
    threading.Thread(target=end_with_input, daemon=True).start()
    token = None
    if os.path.exists(token_file):
        with open(token_file, encoding="utf-8") as file:
            token = json_util.loads(file.read())
    session = requests.Session()
    target = MongoClient(uri)[database][collection]
    with target.watch(full_document="updateLookup", resume_after=token) as stream:
        print("ready", flush=True)
        for change in stream:
            body = json_util.dumps(change)
            response = session.post(url, data=body, headers={"Content-Type": "application/json"})
            response.raise_for_status()
            with open(token_file, "w", encoding="utf-8") as file:
                file.write(json_util.dumps(stream.resume_token))


if __name__ == "__main__":
    main()
