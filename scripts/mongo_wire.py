"""A minimal MongoDB client: one command at a time, over OP_MSG.

Just enough to ask a server how it is and to initiate a replica set without a
shell or a driver. See the MongoDB wire protocol and bsonspec.org, version 1.1.
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type

OP_MSG = 2013
HEADER = struct.Struct("<iiii")
DOCUMENT, ARRAY = 0x03, 0x04
MAX_INT32 = 2**31 - 1


class CommandFailed(Exception):
    """The server answered that the command did not work."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        super().__init__(str(reply.get("errmsg", reply)))
        self.code_name = str(reply.get("codeName", ""))


class Connection:
    """One TCP connection to a mongod; a context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._request = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._socket.close()

    def command(self, command: Mapping[str, Any], database: str = "admin") -> Dict[str, Any]:
        """Runs a command and returns the reply; `CommandFailed` if not ok."""
        self._request += 1
        body = struct.pack("<IB", 0, 0) + encode({**command, "$db": database})
        self._socket.sendall(HEADER.pack(HEADER.size + len(body), self._request, 0, OP_MSG) + body)
        length, _, _, operation = HEADER.unpack(self._receive(HEADER.size))
        payload = self._receive(length - HEADER.size)
        if operation != OP_MSG or payload[4] != 0:
            raise ConnectionError("the server does not speak OP_MSG")
        reply = decode(payload[5:])
        if reply.get("ok") != 1:
            raise CommandFailed(reply)
        return reply

    def _receive(self, count: int) -> bytes:
        parts: List[bytes] = []
        while count > 0:
            part = self._socket.recv(count)
            if not part:
                raise ConnectionError("the server closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def encode(document: Mapping[str, Any]) -> bytes:
    """A BSON document.

    >>> encode({"hello": "world"})
    b'\\x16\\x00\\x00\\x00\\x02hello\\x00\\x06\\x00\\x00\\x00world\\x00\\x00'
    """
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def decode(data: bytes) -> Dict[str, Any]:
    """The values of a BSON document; of exotic types only their bytes.

    >>> decode(encode({"a": 1, "b": [True, None], "c": {"d": "é", "e": 1.5, "f": 2**40}}))
    {'a': 1, 'b': [True, None], 'c': {'d': 'é', 'e': 1.5, 'f': 1099511627776}}
    """
    result: Dict[str, Any] = {}
    at = 4
    while data[at] != 0:
        end = data.index(b"\0", at + 1)
        name = data[at + 1 : end].decode("utf-8")
        result[name], at = _value(data[at], data, end + 1)
    return result


def _element(name: str, value: Any) -> bytes:
    kind, payload = _encoded(value)
    return bytes([kind]) + name.encode("utf-8") + b"\0" + payload


def _encoded(value: Any) -> Tuple[int, bytes]:
    if value is None:
        return 0x0A, b""
    if isinstance(value, bool):
        return 0x08, bytes([value])
    if isinstance(value, int):
        return (0x10, struct.pack("<i", value)) if abs(value) <= MAX_INT32 else (0x12, struct.pack("<q", value))
    if isinstance(value, float):
        return 0x01, struct.pack("<d", value)
    if isinstance(value, str):
        text = value.encode("utf-8") + b"\0"
        return 0x02, struct.pack("<i", len(text)) + text
    if isinstance(value, (list, tuple)):
        return ARRAY, encode({str(index): item for index, item in enumerate(value)})
    if isinstance(value, Mapping):
        return DOCUMENT, encode(value)
    raise TypeError(f"no BSON for {type(value).__name__}")


def _value(kind: int, data: bytes, at: int) -> Tuple[Any, int]:
    if kind in (DOCUMENT, ARRAY):
        size = struct.unpack_from("<i", data, at)[0]
        inner = decode(data[at : at + size])
        return (inner if kind == DOCUMENT else list(inner.values())), at + size
    if kind == 0x02:
        size = struct.unpack_from("<i", data, at)[0]
        return data[at + 4 : at + 3 + size].decode("utf-8", "replace"), at + 4 + size
    if kind == 0x05:
        size = struct.unpack_from("<i", data, at)[0]
        return data[at + 5 : at + 5 + size], at + 5 + size
    if kind == 0x07:
        return data[at : at + 12], at + 12
    if kind == 0x08:
        return data[at] == 1, at + 1
    if kind == 0x0A:
        return None, at
    for kinds, layout in (((0x01,), "<d"), ((0x10,), "<i"), ((0x09, 0x11, 0x12), "<q")):
        if kind in kinds:
            return struct.unpack_from(layout, data, at)[0], at + struct.calcsize(layout)
    raise ValueError(f"BSON type {kind:#x} is not known here")
