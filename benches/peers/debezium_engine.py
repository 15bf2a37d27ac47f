"""Delivers changes with the Debezium engine: one request a record, one after the other.

    debezium_engine.py MONGODB_URI DATABASE COLLECTION OFFSET_FILE URL

starts where the offset file's last run ended, or now. Says "ready" when it begins,
and stops at the end of its standard input. The requests are made by Java's own
client, so that they cost no Python.
"""

import os
import sys
import threading

from pydbzengine import BasePythonChangeHandler, DebeziumEngine


class Post(BasePythonChangeHandler):
    """Posts each record and waits for the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = None

    def handleJsonBatch(self, records):  # noqa: N802, the name is the engine's
        """Called by the engine with up to `max.batch.size` records."""
        import jpype

        if self._client is None:
            http = jpype.JPackage("java").net.http
            self._client = http.HttpClient.newBuilder().version(http.HttpClient.Version.HTTP_1_1).build()
            self._uri = jpype.JClass("java.net.URI").create(self._url)
            self._request = http.HttpRequest
            self._body = http.HttpRequest.BodyPublishers
            self._discard = http.HttpResponse.BodyHandlers.discarding()
        for record in records:
            request = self._request.newBuilder(self._uri).POST(self._body.ofString(record.value())).build()
            status = self._client.send(request, self._discard).statusCode()
            if status != 200:
                raise RuntimeError(f"the receiver answered {status}")


def main() -> None:
    """Runs the engine."""
    uri, database, collection, offsets, url = sys.argv[1:]
    properties = {
        "name": "bench",
        "connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
        "mongodb.connection.string": uri,
        "topic.prefix": "bench",
        "database.include.list": database,
        "collection.include.list": f"{database}.{collection}",
        "snapshot.mode": "no_data",
        "capture.mode": "change_streams_update_full",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": offsets,
        "offset.flush.interval.ms": "1000",
        "value.converter.schemas.enable": "false",
        "key.converter.schemas.enable": "false",
        "tombstones.on.delete": "false",
    }
    engine = DebeziumEngine(properties=properties, handler=Post(url))
    thread = threading.Thread(target=engine.run, daemon=True)
    thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    engine.close()
    thread.join(30)
    # The Java machine has threads of its own that would go on.
    os._exit(0)


if __name__ == "__main__":
    main()
