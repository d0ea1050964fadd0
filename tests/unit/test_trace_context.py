"""Which orders are traced, and the header that says so."""

from __future__ import annotations

import pytest

from journeys.model import Headers, OrderMessage, Position, Record
from journeys.trace_context import TraceContext, incoming, is_traced, stamp

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SPAN = 0x00F067AA0BA902B7
TEXT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def message(*values: bytes | None) -> OrderMessage:
    """An order message with these values of `traceparent`."""
    headers: Headers = tuple(("traceparent", value) for value in values)
    return OrderMessage(
        position=Position(topic="orders.completed", partition=0, offset=1),
        key=None,
        value=b"A-1",
        headers=headers,
        timestamp_ms=5,
    )


@pytest.mark.parametrize(
    ("value", "is_sampled"),
    [
        (TEXT, True),
        (TEXT[:-2] + b"00", False),
        (TEXT[:-2] + b"ff", True),
        (TEXT[:-2] + b"02", False),
        (b"01" + TEXT[2:], True),
        (b"cc" + TEXT[2:] + b"-of a later version", True),
    ],
)
def test_traceparent_is_read(value: bytes, is_sampled: bool) -> None:
    """Only the last bit of the flags says whether the sender records the trace. Later versions may append more."""
    assert incoming(message(value)) == TraceContext(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        TEXT[:-1],
        TEXT + b"0",
        TEXT + b"-more",
        TEXT.upper(),
        b"ff" + TEXT[2:],
        TEXT.replace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"0" * 32),
        TEXT.replace(b"00f067aa0ba902b7", b"0" * 16),
        b"\xff" * 55,
    ],
)
def test_broken_traceparent_counts_as_none(value: bytes | None) -> None:
    """A foreign header must neither stop an order nor begin a trace that no tool can read."""
    assert incoming(message(value)) is None
    assert incoming(message()) is None


def test_last_traceparent_counts() -> None:
    """A program that forwards a message may append a header of its own."""
    assert incoming(message(b"old", TEXT)) == TraceContext(TRACE, SPAN)


def test_sender_decides_and_chance_without_one() -> None:
    """A trace that its sender records stays whole, and one that it does not record gets no pieces."""
    assert is_traced(TraceContext(TRACE, SPAN), ratio=0.0, chance=lambda: 0.9)
    assert not is_traced(TraceContext(TRACE, SPAN, is_sampled=False), ratio=1.0, chance=lambda: 0.0)
    assert is_traced(None, ratio=0.01, chance=lambda: 0.009)
    assert not is_traced(None, ratio=0.01, chance=lambda: 0.01)
    assert not is_traced(None, ratio=0.0, chance=lambda: 0.0)


def test_stamp_replaces_an_earlier_traceparent() -> None:
    """A retry carries the headers of its message; two of the same name would leave the reader to guess."""
    record = Record(topic="t", key=None, value=None, headers=[("traceparent", b"old"), ("account", b"a")])
    [stamped] = stamp([record], TraceContext(TRACE, SPAN))
    assert stamped.headers == [("account", b"a"), ("traceparent", TEXT)]
    assert record.headers[0] == ("traceparent", b"old")
    assert stamp([record], None) == [record]
