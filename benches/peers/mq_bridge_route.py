"""Delivers changes with mq-bridge: one request a record, in order or many at a time.

    mq_bridge_route.py MONGODB_URI DATABASE COLLECTION CURSOR URL [IN_FLIGHT]

starts where the cursor's last run ended, or now. Says "ready" once it streams,
and stops at the end of its standard input.
"""

import sys

from mq_bridge import Route


def main() -> None:
    """Runs the route."""
    uri, database, collection, cursor, url = sys.argv[1:6]
    in_flight = int(sys.argv[6]) if len(sys.argv) > 6 else 1
    source = {"url": uri, "database": database, "collection": collection, "consume": "capture_new", "cursor_id": cursor}
    target = {"url": url, "batch_concurrency": in_flight}
    route = Route.from_config({"input": {"mongodb": source}, "output": {"http": target}})
    route.start()
    print("ready", flush=True)
    sys.stdin.read()
    route.stop()
    route.join()


if __name__ == "__main__":
    main()
