"""The place of an order, from what was found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.json_pages import differences
from tests.support.order_story import NOW_MS, edition, full_story, letter, message, received, retried, story

from journeys.dead_letters.letters import State
from journeys.tools.show.story import Place, Received, replay_command


@pytest.mark.parametrize(
    ("found", "place"),
    [
        ({}, Place.NOWHERE),
        ({"received": [received(1, is_open=True)]}, Place.OPEN),
        ({"received": [received(1)]}, Place.GONE),
        ({"received": [received(1)], "editions": [edition(1)]}, Place.PUBLISHED),
        ({"received": [received(1)], "retries": [retried(1, is_open=True)]}, Place.RETRY),
        (
            {"received": [received(1)], "retries": [retried(1, is_open=False)], "letters": [letter(1)]},
            Place.DEAD_LETTER,
        ),
        # It was sent again: the newest message counts.
        ({"received": [received(1), received(2, is_open=True)], "editions": [edition(1)]}, Place.OPEN),
        ({"received": [received(1), received(2)], "letters": [letter(1)], "editions": [edition(2)]}, Place.PUBLISHED),
        # Retention removed the message.
        ({"editions": [edition(1)]}, Place.PUBLISHED),
        ({"letters": [letter(1)]}, Place.DEAD_LETTER),
        ({"letters": [letter(1, State.REPLAYED)]}, Place.GONE),
        ({"retries": [retried(1, is_open=True)]}, Place.RETRY),
    ],
)
def test_order_is_where_its_newest_message_is(found: dict[str, Any], place: Place) -> None:
    """Each combination of findings has one place."""
    assert story(**found).place is place


def test_newest_of_messages_with_one_timestamp_has_the_greatest_offset() -> None:
    """A producer writes many messages in one millisecond. Offset 10 comes after offset 9."""
    messages = [msgspec.structs.replace(message("orders", offset), timestamp_ms=NOW_MS) for offset in (9, 10)]
    both = [Received(message=each, open=True, due_ms=None) for each in messages]
    assert story(received=both, editions=[edition(10)]).place is Place.PUBLISHED
    assert story(received=both, editions=[edition(9)]).place is Place.OPEN


def test_json_is_as_its_page_says() -> None:
    """With everything in it that can be found."""
    found = full_story().as_json()
    assert differences("journeys show", found) == []
    assert found["editions"][0]["missing"] == {"email": 1, "rejected": -1}
    assert found["retries"][0]["due"] == "2025-11-25T10:01:00.000Z"


def test_replay_command_is_safe_to_paste() -> None:
    """Quotes for the shell; no command for a letter that was replayed."""
    assert replay_command(letter(1)) == "journeys dead-letters replay --order 'A 1' --execute"
    assert replay_command(letter(1, State.REPLAYED)) is None
