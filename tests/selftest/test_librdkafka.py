"""The table of librdkafka's errors is what the library gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from tests.support.librdkafka import FATAL, FATAL_PRODUCE, FATAL_TRANSACTION, REFUSED_JOINS, Mock, traits


def polled(consumer: Any, count: int) -> list[KafkaError]:
    """The next errors that `poll` hands out, as many as asked for."""
    found: list[KafkaError] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is not None and message.error() is not None:
            found.append(message.error())
    return found


def raised(call: Callable[[], object]) -> KafkaError | None:
    """The error that a call raises."""
    try:
        call()
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        return error
    return None


def test_refused_joins_are_as_recorded() -> None:
    """Each error comes by `poll`, with neither `fatal()` nor `retriable()`."""
    mock = Mock(Consumer, {"group.id": "journeys"})
    mock.refuse_joins([error.code() for error in REFUSED_JOINS.values()])
    mock.client.subscribe(["orders"])
    assert [traits(error) for error in polled(mock.client, len(REFUSED_JOINS))] == [
        traits(error) for error in REFUSED_JOINS.values()
    ]


def test_fatal_consumer_error_is_as_recorded() -> None:
    """`poll` hands it out once, under the code `_FATAL`, and `fatal()` is False."""
    mock = Mock(Consumer, {"group.id": "journeys"})
    mock.make_fatal(KafkaError.FENCED_INSTANCE_ID, "fenced")
    assert [traits(error) for error in polled(mock.client, 1)] == [traits(FATAL)]
    assert mock.client.poll(0.5) is None


def test_fatal_producer_errors_are_as_recorded() -> None:
    """`produce` raises `_FATAL`; a transactional call raises the original code, with `fatal()` True."""
    mock = Mock(Producer, {"transactional.id": "journeys-1"})
    mock.client.init_transactions(30)
    mock.client.begin_transaction()
    mock.make_fatal(KafkaError.PRODUCER_FENCED, "fenced")
    produce, abort = raised(lambda: mock.client.produce("orders", b"")), raised(mock.client.abort_transaction)
    assert produce is not None
    assert abort is not None
    assert (traits(produce), traits(abort)) == (traits(FATAL_PRODUCE), traits(FATAL_TRANSACTION))
    with suppress(KafkaException):
        mock.client.purge()
