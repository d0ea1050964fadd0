"""The `fetched_at` of an order's readings, along retries and replays between workers whose clocks disagree."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from journeys.consumer.order_message import OrderMessageReader
from journeys.dead_letters.plan import Targets
from journeys.errors import OrderError, RejectedOrderError, TransientError
from journeys.model import Json, OrderMessage, Position, Record
from journeys.routing import Routes, route_failure, strip_letter

ROUTES = Routes(group="journeys", retry_tiers=(("retry.1m", 60.0),), dead_letter="dead", empty_after=())
TARGETS = Targets(orders=("orders",), tiers=frozenset({"retry.1m"}))
ERRORS = (TransientError("503", reason="status-503"), RejectedOrderError("400", reason="status-400"))


def no_avro(_value: bytes) -> Json:
    """No order here is in Avro."""
    raise ValueError


READER = OrderMessageReader(account="default", decode_avro=no_avro, retry_topics={"retry.1m"})


def written(record: Record, offset: int) -> OrderMessage:
    """A record as it is read back from Kafka."""
    return OrderMessage(
        position=Position(topic=record.topic, partition=0, offset=offset),
        key=record.key,
        value=record.value,
        headers=tuple((name, value.encode() if isinstance(value, str) else value) for name, value in record.headers),
        timestamp_ms=0,
    )


@example([(0, 0, ERRORS[1], False), (0, 0, ERRORS[0], False)])
@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 10**6), st.sampled_from(ERRORS), st.booleans())))
def test_each_reading_is_dated_after_all_earlier_ones(steps: list[tuple[int, int, OrderError, bool]]) -> None:
    """Each step is a worker with its own clock: it reads, and fails later. A dead letter is replayed at once."""
    message = written(Record(topic="orders", key=b"k", value=b"A-1", headers=[("fetched-at", b"9" * 13)]), 0)
    readings: list[int] = []
    for offset, (read_ms, took_ms, error, is_stripped) in enumerate(steps, start=1):
        order = READER.read(message)
        readings.append(order.next_fetched_at_ms(read_ms))
        record, outcome = route_failure(message, order, error, ROUTES, now_ms=read_ms + took_ms)
        if outcome == "dead-lettered":
            letter = (strip_letter(record, order) if is_stripped else None) or record
            record = TARGETS.record(written(letter, offset), "orders")
        message = written(record, offset)
    assert readings == sorted(set(readings))


def test_header_of_a_retry_means_nothing_in_an_order_topic() -> None:
    """A user may have a header `fetched-at` of their own."""
    message = written(Record(topic="orders", key=None, value=b"A-1", headers=[("fetched-at", b"7")]), 0)
    assert READER.read(message).last_fetched_at_ms is None
    replayed = structs.replace(message, headers=(("replay-fetched-at", b"7"),))
    assert READER.read(replayed).last_fetched_at_ms == 7
