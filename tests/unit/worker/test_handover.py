"""The backlog between the two sides: what its bytes are."""

from __future__ import annotations

import queue

import pytest

from journeys.model import OrderMessage, Position, Record
from journeys.worker.handover import Backlog, FinishedOrder, taken_by


def finished(offset: int, value: bytes) -> FinishedOrder:
    """A finished order with one record."""
    position = Position(topic="orders", partition=0, offset=offset)
    message = OrderMessage(position=position, key=None, value=b"A-1", headers=(), timestamp_ms=None)
    records = [Record(topic="journey.ads", key=b"k", value=value, headers=[])]
    return FinishedOrder(epoch=1, message=message, outcome="published", records=records, size=taken_by(records), at=0.0)


def test_memory_of_records_counts_their_headers() -> None:
    """A small record takes mostly what comes beside its key and value."""
    small, large = finished(1, b"v"), finished(2, b"v" * 10_000)
    assert small.size > 100 * 2
    assert large.size - small.size == 9_999


def test_unpublished_bytes_are_those_in_the_queue_and_those_taken() -> None:
    """Taking an order from the queue moves its bytes; the taker counts them as pending."""
    backlog = Backlog()
    one, two = finished(1, b"v"), finished(2, b"vv")
    backlog.results.put(one)
    backlog.results.put(two)
    assert (backlog.results.bytes, backlog.unpublished_bytes) == (one.size + two.size, one.size + two.size)
    assert backlog.results.get_nowait() is one
    backlog.pending_bytes = one.size
    assert (backlog.results.bytes, backlog.unpublished_bytes) == (two.size, one.size + two.size)


def test_empty_result_queue_raises() -> None:
    """The Kafka thread never waits for a result."""
    backlog = Backlog()
    with pytest.raises(queue.Empty):
        backlog.results.get_nowait()
    assert backlog.results.qsize() == 0
