"""Delivers changes as most people write it: watch, one POST, save the token.

    hand_written.py MONGODB_URI DATABASE COLLECTION SECONDS INCREMENT RECORDS URL TOKEN_FILE

reads RECORDS changes of the collection from that operation time on, and prints
how many seconds it took.
"""

import sys
import time

import requests
from bson import json_util
from bson.timestamp import Timestamp
from pymongo import MongoClient


def main() -> None:
    """Reads, posts, saves."""
    uri, database, collection, seconds, increment, records, url, token_file = sys.argv[1:]
    target = MongoClient(uri)[database][collection]
    session = requests.Session()
    start = Timestamp(int(seconds), int(increment))
    left = int(records)
    target.database.command("ping")
    began = time.monotonic()
    with target.watch(full_document="updateLookup", start_at_operation_time=start) as stream:
        for change in stream:
            body = json_util.dumps(change)
            response = session.post(url, data=body, headers={"Content-Type": "application/json"})
            response.raise_for_status()
            with open(token_file, "w", encoding="utf-8") as file:
                file.write(json_util.dumps(stream.resume_token))
            left -= 1
            if left == 0:
                break
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
