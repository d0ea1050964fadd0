"""The values that consumer, fetcher and producer exchange."""

from __future__ import annotations

import pytest

from journeys.model import Headers, Order, OrderMessage, Position, Record, Unreadable


def message(*headers: tuple[str, bytes | None], key: bytes | None = None, value: bytes | None = b"A1") -> OrderMessage:
    """An order message with these headers."""
    position = Position(topic="orders", partition=3, offset=17)
    return OrderMessage(position=position, key=key, value=value, headers=headers, timestamp_ms=None)


def test_a_position_is_written_as_topic_partition_offset() -> None:
    """Editions, logs and dead letters use this text."""
    assert str(Position(topic="orders", partition=3, offset=17)) == "orders/3/17"


def test_the_last_value_of_a_repeated_header_counts() -> None:
    """Kafka allows a header name more than once; the newest writer appends."""
    both: Headers = (("trace", b"old"), ("other", b"x"), ("trace", b"new"))
    assert message(*both).header("trace") == b"new"
    assert message(*both, ("trace", None)).header("trace") is None
    assert message(*both).header("absent") is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0),
        (b"42", 42),
        (b"9" * 18, 10**18 - 1),
        (b"9" * 19, None),
        (b"-1", None),
        (b"1.5", None),
        (b" 1", None),
        (b"", None),
        (None, None),
        ("²".encode(), None),
    ],
)
def test_a_numeric_header_is_1_to_18_digits(value: bytes | None, number: int | None) -> None:
    """Such a number fits a signed 64-bit integer; any other text is no number."""
    assert message(("attempt", value)).number("attempt") == number
    assert message().number("attempt") is None


def test_the_size_of_a_message_counts_key_value_and_headers() -> None:
    """Header names are counted in characters, values in bytes; None counts as nothing."""
    assert message(key=b"key", value=b"value").size == 8
    assert message(("name", b"1234"), ("none", None), key=None, value=None).size == 12


def test_the_size_of_a_record_counts_key_and_value() -> None:
    """A record without key and value has no bytes."""
    assert Record(topic="t", key=b"key", value=b"value", headers=[("name", b"1234")]).size == 8
    assert Record(topic="t", key=None, value=None, headers=[]).size == 0


def test_unreadable_values_are_equal_by_their_text() -> None:
    """Two readings of the same answer are equal; a text that looks like it is another value."""
    assert Unreadable("NaN") == Unreadable("NaN")
    assert Unreadable("NaN") != "NaN"
    assert len({Unreadable("NaN"), Unreadable("NaN"), Unreadable("Infinity")}) == 2


@pytest.mark.parametrize(("value", "time_ms"), [(b"0", 0), (b"253402300799999", 253_402_300_799_999), (None, None)])
def test_a_time_header_is_up_to_the_year_9999(value: bytes | None, time_ms: int | None) -> None:
    """Later times are ignored, as every reader of our records can hold only these."""
    assert message(("at", value)).time_ms("at") == time_ms
    assert message(("at", b"253402300800000")).time_ms("at") is None


@pytest.mark.parametrize(("last_ms", "now_ms", "fetched_at_ms"), [(None, 5, 5), (4, 5, 5), (5, 5, 6), (9, 5, 10)])
def test_a_reading_is_dated_after_the_last_one(last_ms: int | None, now_ms: int, fetched_at_ms: int) -> None:
    """A clock that is behind the last worker's gives one millisecond more."""
    order = Order(
        order_id="A-1",
        account="default",
        edition="orders/3/17",
        timestamp_ms=None,
        attempt=1,
        absences=0,
        message=message(),
        last_fetched_at_ms=last_ms,
    )
    assert order.next_fetched_at_ms(now_ms) == fetched_at_ms
