"""Reading a dead letter from its headers and from the commit of replays."""

from __future__ import annotations

import pytest

from journeys.dead_letters.letters import Letter, ReplayedOffsets, State, read_letter
from journeys.model import Headers, OrderMessage, Position

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z
ERROR: Headers = (
    ("error-reason", b"status-400"),
    ("error-stage", b"fetch"),
    ("error-message", b"the API refuses this order: 400"),
    ("error-attempts", b"3"),
    ("error-topic", b"orders.completed"),
    ("error-partition", b"1"),
    ("error-offset", b"5"),
    ("error-time", str(NOW_MS).encode()),
)
NEW = ReplayedOffsets(watermark=0)


def message(value: bytes = b"A-1", headers: Headers = ERROR, *, offset: int = 7) -> OrderMessage:
    """A record of the dead-letter topic."""
    return OrderMessage(
        position=Position(topic="orders.dead-letter", partition=0, offset=offset),
        key=b"\xffkey",
        value=value,
        headers=headers,
        timestamp_ms=9,
    )


def read(letter: OrderMessage, replayed: ReplayedOffsets = NEW) -> Letter:
    """The letter, where an order is its value."""
    return read_letter(letter, replayed, order=(letter.value or b"").decode())


def test_letter_is_read_from_its_headers() -> None:
    """Reason, stage, time, attempts, and the source of the order message."""
    assert read(message(headers=(*ERROR, ("replay-count", b"2")))) == Letter(
        position=Position(topic="orders.dead-letter", partition=0, offset=7),
        at_ms=NOW_MS,
        reason="status-400",
        stage="fetch",
        text="the API refuses this order: 400",
        attempts=3,
        order="A-1",
        topic="orders.completed",
        group=None,
        source="orders.completed/1/5",
        origin=None,
        replays=2,
        state=State.PENDING,
    )


def test_last_header_of_a_name_counts() -> None:
    """A record written by another program may have a header twice."""
    assert read(message(headers=(*ERROR, ("error-reason", b"status-422")))).reason == "status-422"


@pytest.mark.parametrize("number", [b"", b"many", b"-1", "\u0663".encode(), b"9" * 30])
def test_unreadable_error_headers_are_ignored(number: bytes) -> None:
    """A record with broken headers, or without any, is a letter too; its time is that of the record."""
    headers = (("error-attempts", number), ("replay-count", number), ("error-time", number), ("error-topic", None))
    letter = read(message(headers=headers))
    assert (letter.reason, letter.attempts, letter.replays, letter.at_ms) == ("unnamed", None, 0, 9)
    assert (letter.topic, letter.source, letter.stage) == (None, None, None)


def test_commit_records_replayed_letters() -> None:
    """All letters below the watermark, and those in its offset map."""
    replayed = ReplayedOffsets.of(5, "1bAg")  # bit 1: offset 6
    states = [read(message(offset=offset), replayed).state for offset in range(4, 8)]
    assert states == [State.REPLAYED, State.PENDING, State.REPLAYED, State.PENDING]


def test_without_a_commit_old_letters_are_unknown() -> None:
    """Kafka deletes old commits; a commit for a younger letter would still be there."""
    assert read(message(), ReplayedOffsets(watermark=0, forgotten_before_ms=NOW_MS)).state is State.PENDING
    replayed = ReplayedOffsets(watermark=0, forgotten_before_ms=NOW_MS + 1)
    assert read(message(), replayed).state is State.UNKNOWN
    assert read(message(), replayed.with_replayed([7])).state is State.REPLAYED
    assert read(message(), replayed.with_replayed()).state is State.PENDING
