"""Which letters a command takes, and the options' texts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from journeys.dead_letters.filters import Filter, oldest, parse_position
from journeys.dead_letters.letters import Letter, State
from journeys.model import Position

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z
HOUR_MS = 3_600_000
LETTER = Letter(
    position=Position(topic="orders.dead-letter", partition=0, offset=7),
    at_ms=NOW_MS,
    reason="status-400",
    stage="fetch",
    text="the API refuses this order: 400",
    attempts=3,
    order="A-1",
    topic="orders.completed",
    group="eu",
    source="orders.completed/1/5",
    origin=None,
    replays=0,
    state=State.PENDING,
)


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
        (Filter(group="eu"), True),
        (Filter(group="us"), False),
    ],
)
def test_every_condition_of_a_filter_must_hold(wanted: Filter, taken: bool) -> None:
    """Several reasons are alternatives; `since` is inclusive and `until` exclusive."""
    assert wanted.matches(LETTER) is taken


def test_letter_without_facts_matches_no_condition() -> None:
    """It has no stage, no topic, no order and no time."""
    unnamed = replace(LETTER, stage=None, topic=None, order=None, at_ms=None)
    assert Filter().matches(unnamed)
    conditions = (
        Filter(stage="fetch"),
        Filter(topic="t"),
        Filter(order=""),
        Filter(since_ms=0),
        Filter(until_ms=9**15),
    )
    assert not any(wanted.matches(unnamed) for wanted in conditions)


def test_limit_takes_the_oldest() -> None:
    """Letters are sorted by time, then by position."""
    letters = [
        replace(LETTER, at_ms=at_ms, position=Position(topic="dead", partition=0, offset=offset))
        for offset, at_ms in {3: 30, 4: 10, 5: 20, 6: 10}.items()
    ]
    assert [letter.position.offset for letter in oldest(letters, 3)] == [4, 6, 5]
    assert [letter.position.offset for letter in oldest(letters, None)] == [4, 6, 5, 3]


@pytest.mark.parametrize("text", ["0/17", "orders.dead-letter/0/17"])
def test_position_may_name_its_topic(text: str) -> None:
    """`list` shows positions without the topic, logs show them with it."""
    assert parse_position(text, topic="orders.dead-letter") == (0, 17)


@pytest.mark.parametrize("text", ["", "17", "0/", "a/b", "other/0/17", "0/-1", "orders.dead-letter/0", "0/1/2"])
def test_unreadable_position_is_refused(text: str) -> None:
    """So is a position in another topic."""
    with pytest.raises(ValueError, match=re.escape("orders.dead-letter")):
        parse_position(text, topic="orders.dead-letter")
