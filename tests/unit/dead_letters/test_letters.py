"""What is read from a dead letter, and which letters a command takes."""

from __future__ import annotations

import re

import pytest

from journeys.dead_letters.filters import Filter, moment_ms, oldest, place
from journeys.dead_letters.letters import Letter, LetterReader, Marks, State
from journeys.errors import RejectedOrderError
from journeys.model import Headers, Order, OrderMessage, Position

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z
HOUR_MS = 3_600_000
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
NEW = Marks(watermark=0)


def message(value: bytes = b"A-1", headers: Headers = ERROR, *, offset: int = 7) -> OrderMessage:
    """A record of the dead-letter topic."""
    return OrderMessage(
        position=Position(topic="orders.dead-letter", partition=0, offset=offset),
        key=b"\xffkey",
        value=value,
        headers=headers,
        timestamp_ms=9,
    )


def read(letter: OrderMessage, marks: Marks = NEW) -> Letter:
    """The letter, where an order is its value, and `?` is none."""

    def order(of: OrderMessage) -> Order:
        if of.value == b"?":
            raise RejectedOrderError("unreadable", reason="message-unreadable", stage="message")
        return Order(
            order_id=(of.value or b"").decode(),
            account="default",
            edition=str(of.position),
            timestamp_ms=None,
            attempt=0,
            absences=0,
            message=of,
        )

    return LetterReader(order).read(letter, marks)


def test_a_letter_tells_what_its_headers_say() -> None:
    """Why, where, when, how often, and where the order message was."""
    assert read(message(headers=(*ERROR, ("replay-count", b"2")))) == Letter(
        position=Position(topic="orders.dead-letter", partition=0, offset=7),
        at_ms=NOW_MS,
        reason="status-400",
        stage="fetch",
        text="the API refuses this order: 400",
        attempts=3,
        order="A-1",
        topic="orders.completed",
        source="orders.completed/1/5",
        origin=None,
        replays=2,
        state=State.PENDING,
    )


def test_the_last_header_of_a_name_counts() -> None:
    """A letter that somebody copied by hand and that failed again has them twice."""
    assert read(message(headers=(*ERROR, ("error-reason", b"status-422")))).reason == "status-422"


def test_an_unreadable_message_is_named_by_its_key() -> None:
    """Whatever the key holds."""
    assert read(message(b"?")).order == "\ufffdkey"


@pytest.mark.parametrize("number", [b"", b"many", b"-1", "\u0663".encode(), b"9" * 30])
def test_headers_that_say_nothing_are_left_out(number: bytes) -> None:
    """A record without a worker's headers, or with broken ones, is a letter too: it has the time of its record."""
    headers = (("error-attempts", number), ("replay-count", number), ("error-time", number), ("error-topic", None))
    letter = read(message(headers=headers))
    assert (letter.reason, letter.attempts, letter.replays, letter.at_ms) == ("unnamed", None, 0, 9)
    assert (letter.topic, letter.source, letter.stage) == (None, None, None)


def test_a_commit_tells_what_was_replayed() -> None:
    """All below the watermark, and what its map names."""
    marks = Marks.committed(5, "1bAg")  # bit 1: offset 6
    states = [read(message(offset=offset), marks).state for offset in range(4, 8)]
    assert states == [State.REPLAYED, State.PENDING, State.REPLAYED, State.PENDING]


def test_without_a_commit_old_letters_are_unknown() -> None:
    """Kafka forgets a position that is not renewed; a younger letter cannot have been forgotten."""
    assert read(message(), Marks(watermark=0, forgotten_before_ms=NOW_MS)).state is State.PENDING
    marks = Marks(watermark=0, forgotten_before_ms=NOW_MS + 1)
    assert read(message(), marks).state is State.UNKNOWN
    assert read(message(), marks.settled([7])).state is State.REPLAYED
    assert read(message(), marks.settled()).state is State.PENDING


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Filter(), True),
        (Filter(reasons=frozenset({"status-400", "status-422"})), True),
        (Filter(reasons=frozenset({"status-422"})), False),
        (Filter(stage="fetch", order="A-1", topic="orders.completed"), True),
        (Filter(stage="message"), False),
        (Filter(order="A-2"), False),
        (Filter(topic="orders.other"), False),
        (Filter(since_ms=NOW_MS, until_ms=NOW_MS + 1), True),
        (Filter(since_ms=NOW_MS + 1), False),
        (Filter(until_ms=NOW_MS), False),
    ],
)
def test_every_condition_of_a_filter_must_hold(wanted: Filter, taken: bool) -> None:
    """Several reasons are alternatives; `since` is included and `until` is not."""
    assert wanted.matches(read(message())) is taken


def test_a_letter_that_tells_nothing_matches_no_condition() -> None:
    """Neither a stage nor a topic nor a span of time."""
    bare = OrderMessage(
        position=Position(topic="t", partition=0, offset=0), key=None, value=b"?", headers=(), timestamp_ms=None
    )
    letter = read(bare)
    assert Filter().matches(letter)
    conditions = (
        Filter(stage="fetch"),
        Filter(topic="t"),
        Filter(order=""),
        Filter(since_ms=0),
        Filter(until_ms=9**15),
    )
    assert not any(wanted.matches(letter) for wanted in conditions)


def test_a_limit_takes_the_oldest() -> None:
    """By time, and within a moment by position."""
    times = {3: b"30", 4: b"10", 5: b"20", 6: b"10"}
    letters = [read(message(headers=(("error-time", at),), offset=offset)) for offset, at in times.items()]
    assert [letter.position.offset for letter in oldest(letters, 3)] == [4, 6, 5]
    assert [letter.position.offset for letter in oldest(letters, None)] == [4, 6, 5, 3]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW_MS - 2 * HOUR_MS),
        ("1.5d", NOW_MS - 36 * HOUR_MS),
        ("2025-11-25T09:00", NOW_MS - HOUR_MS),
        ("2025-11-25T10:00:00+02:00", NOW_MS - 2 * HOUR_MS),
        ("2025-11-25", NOW_MS - 10 * HOUR_MS),
        ("2025-11-25T09:59:59.500Z", NOW_MS - 500),
    ],
)
def test_a_moment_is_a_time_or_so_long_ago(text: str, moment: int) -> None:
    """A time without a zone is UTC."""
    assert moment_ms(text, now_ms=NOW_MS) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "2 weeks", "25.11.2025", "9" * 306 + "s"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The message shows both forms."""
    with pytest.raises(ValueError, match=re.escape("2026-11-25T10:00Z")):
        moment_ms(text, now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["0/17", "orders.dead-letter/0/17"])
def test_a_position_may_name_its_topic(text: str) -> None:
    """Both as `list` tells it, and as logs do."""
    assert place(text, topic="orders.dead-letter") == (0, 17)


@pytest.mark.parametrize("text", ["", "17", "0/", "a/b", "other/0/17", "0/-1", "orders.dead-letter/0", "0/1/2"])
def test_what_is_no_position_is_refused(text: str) -> None:
    """Another topic's positions too."""
    with pytest.raises(ValueError, match=re.escape("orders.dead-letter")):
        place(text, topic="orders.dead-letter")
