"""Registers a broker that never runs, so that a topic may have a replica that is not in sync.

With one replica a topic takes records whatever its `min.insync.replicas` is: Kafka never asks for more replicas than
the topic has. A second broker that runs would cost seconds. KIP-631 describes the request.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from journeys_sandbox.stack.kafka import Broker

ABSENT: Final = 2
"""The id of the broker that never runs."""
_BROKER_REGISTRATION: Final = 62
_VERSION: Final = 4
_FEATURES: Final[Mapping[str, int]] = {
    "metadata.version": 7,
    "kraft.version": 0,
    "transaction.version": 0,
    "group.version": 0,
    "eligible.leader.replicas.version": 0,
    "share.version": 0,
    "streams.version": 0,
}
"""The features of a cluster that a broker must know, each with its lowest version."""
_HIGHEST: Final = 100
"""More than the version of any feature."""
_NO_TAGS: Final = b"\0"
_ANSWER_BYTES: Final = 24
"""Its length, the correlation id, tags, the throttle time (4 bytes), the error, the epoch (8 bytes), tags."""
_CODE_AT: Final = 13


def register_absent(broker: Broker, cluster_id: str) -> None:
    """Register `ABSENT` with the controller of this broker. It stays fenced: it leads nothing, and is never in sync."""
    listener = _text("PLAINTEXT") + _text("127.0.0.1") + struct.pack(">Hh", 9, 0) + _NO_TAGS
    features = (_text(name) + struct.pack(">hh", low, _HIGHEST) + _NO_TAGS for name, low in _FEATURES.items())
    body = (
        struct.pack(">i", ABSENT) + _text(cluster_id) + uuid4().bytes,
        _length(1) + listener,
        _length(len(_FEATURES)) + b"".join(features),
        b"\0\0",  # no rack, no migration from ZooKeeper
        _length(1) + uuid4().bytes,  # a log directory
        struct.pack(">q", -1) + _NO_TAGS,  # never registered before
    )
    header = struct.pack(">hhih", _BROKER_REGISTRATION, _VERSION, 1, -1) + _NO_TAGS
    request = header + b"".join(body)
    host, _, port = broker.address("CONTROLLER").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(_ANSWER_BYTES, socket.MSG_WAITALL)
    [code] = struct.unpack_from(">h", answer, _CODE_AT)
    assert code == 0, f"the controller refuses the broker with error {code}"


def _text(text: str) -> bytes:
    return _length(len(text)) + text.encode()


def _length(number: int) -> bytes:
    """The length of a short text or list, as the compact formats of Kafka's protocol write it."""
    return bytes([number + 1])
