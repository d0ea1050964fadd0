"""Errors as librdkafka makes them, from the library in confluent_kafka's wheel.

The tables are recorded from the library; tests/selftest/test_librdkafka.py records them again and compares. `Mock` is a
client on librdkafka's own mock cluster (`test.mock.num.brokers`), whose test functions are called by ctypes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, Producer

_JOIN_GROUP: Final = 11
"""The number of the request in Kafka's protocol."""


def _join_refused(code: int, text: str) -> KafkaError:
    return KafkaError(code, f"JoinGroup failed: Broker: {text}")


REFUSED_JOINS: Final[Mapping[str, KafkaError]] = {
    "INVALID_SESSION_TIMEOUT": _join_refused(KafkaError.INVALID_SESSION_TIMEOUT, "Invalid session timeout"),
    "INVALID_GROUP_ID": _join_refused(KafkaError.INVALID_GROUP_ID, "Invalid group.id"),
    "GROUP_AUTHORIZATION_FAILED": _join_refused(KafkaError.GROUP_AUTHORIZATION_FAILED, "Group authorization failed"),
    "UNSUPPORTED_VERSION": _join_refused(KafkaError.UNSUPPORTED_VERSION, "API version not supported"),
    "INCONSISTENT_GROUP_PROTOCOL": _join_refused(KafkaError.INCONSISTENT_GROUP_PROTOCOL, "Inconsistent group protocol"),
    "GROUP_MAX_SIZE_REACHED": _join_refused(
        KafkaError.GROUP_MAX_SIZE_REACHED, "Consumer group has reached maximum size"
    ),
    "CLUSTER_AUTHORIZATION_FAILED": _join_refused(
        KafkaError.CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed"
    ),
}
"""A polled error for each answer of a broker that refuses a join."""
FATAL: Final = KafkaError(
    KafkaError._FATAL,
    "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id:"
    " test_fatal_error: fenced",
)
"""What `poll` hands out, once, after the broker fenced a static member. Its `fatal()` is False."""
FATAL_PRODUCE: Final = KafkaError(
    KafkaError._FATAL,
    "Unable to produce message: Local: Fatal error",
)
"""What `produce` raises after the producer was fenced. Its `fatal()` is False."""
FATAL_TRANSACTION: Final = KafkaError(KafkaError.PRODUCER_FENCED, "test_fatal_error: fenced", fatal=True)
"""The error that a transactional call raises then."""


def traits(error: KafkaError) -> tuple[int, str, bool, bool, bool]:
    """All that can be asked of an error: code, text, fatal, retriable, abortable."""
    return error.code(), error.str(), error.fatal(), error.retriable(), error.txn_requires_abort()


class Mock:
    """A client of confluent_kafka on a mock cluster of its own, with one topic `orders`."""

    def __init__(self, client: type[Consumer | Producer], config: Mapping[str, Any]) -> None:
        self.client: Any = client({"bootstrap.servers": "none", "test.mock.num.brokers": 1, **config})
        [path] = Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka*.so*")
        self._library = ctypes.CDLL(str(path))
        self._library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
        # The handle of librdkafka follows the two words of every Python object.
        self._handle = ctypes.c_void_p.from_address(id(self.client) + object.__basicsize__)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_handle_mock_cluster(self._handle))
        self._library.rd_kafka_mock_topic_create(self._cluster, b"orders", 1, 1)

    def refuse_joins(self, codes: Sequence[int]) -> None:
        """Let the broker answer the next requests to join with these errors, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(_JOIN_GROUP), ctypes.c_size_t(len(codes)), array
        )

    def make_fatal(self, code: int, text: str) -> None:
        """Put the client into the state after a fatal error."""
        self._library.rd_kafka_test_fatal_error(self._handle, code, text.encode())
