"""The accepted formats of an order message, and the refused ones."""

from __future__ import annotations

import pytest

from journeys.consumer.order_message import Format, OrderMessageReader
from journeys.errors import RejectedOrderError, Verdict
from journeys.model import Headers, Json, Order, OrderMessage, Position


def avro(value: bytes) -> Json:
    """A decoder that knows one message."""
    if value == b"\x00good":
        return {"order_id": 7, "nested": {"id": "n1"}}
    raise ValueError("schema 9 is unknown")


def reader(order_format: Format = "auto", pointer: str = "/order_id") -> OrderMessageReader:
    """A reader for the account `default`."""
    return OrderMessageReader(
        account="default",
        order_format=order_format,
        pointer=pointer,
        decode_avro=avro,
        retry_topics={"orders.retry.1m"},
    )


def message(value: bytes | None, *, topic: str = "orders.completed", headers: Headers = ()) -> OrderMessage:
    """A record with this value."""
    return OrderMessage(
        position=Position(topic=topic, partition=3, offset=42),
        key=b"k",
        value=value,
        headers=headers,
        timestamp_ms=1000,
    )


@pytest.mark.parametrize(
    ("value", "order_id"),
    [
        (b"5154899656917", "5154899656917"),
        (b"  A-1\n", "A-1"),
        ("été-☃".encode(), "été-☃"),
        (b'{"order_id": "A-1", "other": [1]}', "A-1"),
        (b'{"order_id": 12345678901234567890123}', "12345678901234567890123"),
        (b'"A-1"', "A-1"),
        (b"\x00good", "7"),
    ],
)
def test_three_formats_name_an_order(value: bytes, order_id: str) -> None:
    """A plain string, JSON and Avro are distinguished, and an integer keeps its digits."""
    assert reader().read(message(value)).order_id == order_id


def test_pointer_says_where_the_id_is() -> None:
    """A JSON Pointer reaches into nested objects, in JSON and in Avro, escapes included."""
    assert reader(pointer="/a~1b/c~0d").read(message(b'{"a/b": {"c~d": "x"}}')).order_id == "x"
    assert reader(pointer="/nested/id").read(message(b"\x00good")).order_id == "n1"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "message-empty"),
        (b"  ", "message-empty"),
        (b'{"order_id": ""}', "message-empty"),
        (b"\xff\xfe", "message-unreadable"),
        (b"{", "message-unreadable"),
        (b'{"id": "A-1"}', "message-unreadable"),
        (b'{"order_id": null}', "message-unreadable"),
        (b'{"order_id": true}', "message-unreadable"),
        (b'{"order_id": 1.5}', "message-unreadable"),
        (b'{"order_id": "\\ud800"}', "message-unreadable"),
        (b"[1]", "message-unreadable"),
        (b"[" * 100_000, "message-unreadable"),
        (b'{"order_id": ' + b"9" * 2000 + b"}", "order-id-too-long"),
        (b'{"order_id": ' + b"9" * 5000 + b"}", "message-unreadable"),
        (b"x" * 1_000_000, "order-id-too-long"),
        (b"a\x00b", "message-unreadable"),
        (b"\x00bad", "message-unreadable"),
    ],
)
def test_message_without_an_order_id_is_rejected(value: bytes, reason: str) -> None:
    """Every other value is refused as a dead letter, with a reason that is no part of the value."""
    with pytest.raises(RejectedOrderError) as refused:
        reader().read(message(value))
    assert (refused.value.reason, refused.value.stage) == (reason, "message")
    assert refused.value.verdict is Verdict.DEAD_LETTER
    assert len(str(refused.value)) < 200


def test_first_message_is_its_own_edition() -> None:
    """On an order topic the position is the edition, and headers of a retry mean nothing."""
    found = reader().read(message(b"A-1", headers=(("edition", b"x/0/1"), ("attempt", b"9"))))
    assert found == Order(
        order_id="A-1",
        account="default",
        edition="orders.completed/3/42",
        timestamp_ms=1000,
        attempt=0,
        absences=0,
        message=found.message,
    )


def test_retry_keeps_its_edition() -> None:
    """On a retry tier, edition, time and attempts come from the headers, the last of each name."""
    headers = (
        ("edition", b"orders.completed/0/1"),
        ("attempt", b"1"),
        ("attempt", b"2"),
        ("absences", b"1"),
        ("order-timestamp", b"77"),
    )
    found = reader().read(message(b"A-1", topic="orders.retry.1m", headers=headers))
    assert (found.edition, found.attempt, found.absences, found.timestamp_ms) == ("orders.completed/0/1", 2, 1, 77)


def test_headers_that_no_worker_wrote_are_ignored() -> None:
    """Another writer of a retry tier may send a number without end or an edition of a megabyte: neither is taken."""
    for number in (b"9" * 19, b"9" * 5000, b"-1", "\u0662".encode(), b"\xb2"):
        names = ("attempt", "absences", "order-timestamp")
        headers = (("edition", b"x" * 1025), *((name, number) for name in names))
        found = reader().read(message(b"A-1", topic="orders.retry.1m", headers=headers))
        assert (found.edition, found.attempt, found.absences, found.timestamp_ms) == (
            str(found.message.position),
            0,
            0,
            None,
        )


def test_configured_format_is_not_guessed() -> None:
    """With the form set to text, an id may start with a brace."""
    assert reader("text").read(message(b"{A-1}")).order_id == "{A-1}"
    with pytest.raises(RejectedOrderError):
        reader("json").read(message(b"A-1"))


def test_retry_keeps_its_revision_and_its_last_fetched_at() -> None:
    """A `fetched-at` beyond the year 9999 is ignored, because no reader of our records could hold it."""
    headers = (("revision", b"2"), ("fetched-at", b"1764064800000"))
    found = reader().read(message(b"A-1", topic="orders.retry.1m", headers=headers))
    assert (found.revision, found.last_fetched_at_ms) == (2, 1_764_064_800_000)
    found = reader().read(message(b"A-1", topic="orders.retry.1m", headers=(("fetched-at", b"9" * 18),)))
    assert (found.revision, found.last_fetched_at_ms) == (0, None)


def test_replayed_message_has_a_last_fetched_at() -> None:
    """On an order topic, only the header of a replay counts."""
    found = reader().read(message(b"A-1", headers=(("replay-fetched-at", b"5"), ("fetched-at", b"7"))))
    assert found.last_fetched_at_ms == 5
