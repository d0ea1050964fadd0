"""The demo's orders, its sums and its screen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from journeys.model import Json
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.shapes import SPELLINGS
from journeys_sandbox.demo.audit import CHANNELS, Published, compare, telling
from journeys_sandbox.demo.run import ORDERS
from journeys_sandbox.demo.screen import Screen

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def record(order: str, channel: str, position: int, event: dict[str, Json]) -> Published:
    """The record that the worker should publish for an event, as far as the demo looks at it."""
    value: dict[str, Any] = {
        "order_id": order,
        "position": position,
        "event_at": AT,
        "event_at_text": "",
        "event_page_ip": "203.0.113.9",
        "email": {"receiver_email": "reader@mail.example"},
        "actions": [],
        **{f"event_{name}": event.get(f"event_{name}") for name in ("id", "type", "page_url", "page_title")},
        **{f"event_{name}": event.get(f"event_{name}") for name in ("campaign", "source")},
    }
    return Published(topic=channel, value=value)


def perfect(order: str) -> Iterator[Published]:
    """Every record that is owed for an order."""
    known = {text: channel for channel, texts in SPELLINGS.items() for text in texts}
    yield Published(topic="summary", value={"order_id": order})
    for position, event in enumerate(journey_of(order)):
        if not isinstance(event, dict):
            yield Published(topic="rejected", value={"order_id": order, "position": position})
        else:
            yield record(order, known.get(str(event.get("event_type")), "other"), position, event)


def test_the_demo_orders_have_every_kind_of_journey() -> None:
    """There are journeys of 0, 1, many and over 100 events, and no order occurs twice."""
    sizes = {len(journey_of(order)) for order in ORDERS}
    assert {0, 1} <= sizes
    assert any(1 < size <= 100 for size in sizes)
    assert any(size > 100 for size in sizes)
    assert len(set(ORDERS)) == len(ORDERS) == 300


def test_expected_records_alone_are_exact() -> None:
    """Every channel's sum agrees, and no record is lost or doubled."""
    records = [each for order in ORDERS for each in perfect(order)]
    result = compare({order: journey_of(order) for order in ORDERS}, records)
    assert (result.lost, result.doubled, result.exact) == (0, 0, True)
    assert (result.orders, result.summaries) == (300, 300)
    assert result.events == len(records) - 300
    assert all(row.read == row.owed > 0 for row in result.rows)
    assert {row.channel for row in result.rows} == {*CHANNELS, "rejected"}


def test_a_missing_record_is_lost() -> None:
    """Each record that did not come counts, a summary too."""
    records = list(perfect("n5-a"))
    result = compare({"n5-a": journey_of("n5-a")}, records[2:])
    assert (result.lost, result.doubled, result.exact) == (2, 0, False)


def test_a_record_that_comes_twice_is_doubled() -> None:
    """A second record of the same position counts as doubled."""
    records = list(perfect("n5-a"))
    result = compare({"n5-a": journey_of("n5-a")}, [*records, records[3]])
    assert (result.lost, result.doubled, result.exact) == (0, 1, False)


def test_an_event_on_the_wrong_channel_is_lost_and_doubled() -> None:
    """The event is missing on its channel and one too many on the other."""
    first, second, *rest = perfect("n5-a")
    wrong = next(channel for channel in CHANNELS if channel != second.topic)
    result = compare({"n5-a": journey_of("n5-a")}, [first, Published(topic=wrong, value=second.value), *rest])
    assert (result.lost, result.doubled) == (1, 1)


def test_records_of_an_unknown_order_are_doubled() -> None:
    """Records of an order that was not placed count as doubled."""
    result = compare({"n5-a": journey_of("n5-a")}, [*perfect("n5-a"), *perfect("n2-b")])
    assert (result.lost, result.doubled) == (0, 3)


def test_the_timeline_shows_one_journey_in_order() -> None:
    """Events of one order are sorted by position, in whatever order they were read."""
    records = [each for order in ORDERS[:60] for each in perfect(order)]
    events = telling(reversed(records))
    assert len({event.value["order_id"] for event in events}) == 1
    assert [event.value["position"] for event in events] == list(range(len(events)))
    assert 6 <= len(events) <= 12


def test_no_events_give_an_empty_timeline() -> None:
    """Without events the timeline is empty."""
    assert telling([Published(topic="summary", value={"order_id": "a"})]) == []


def spoken(width: int) -> str:
    """All that the screen shows of a result without a terminal."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=width, highlight=False))
    records = [each for order in ORDERS[:60] for each in perfect(order)]
    result = compare({order: journey_of(order) for order in ORDERS[:60]}, records)
    with screen.step("a step") as step:
        step.update("Apache Kafka", 30_000_000, 40_000_000)
        step.update("orders published", 30, 300)
        step.update("orders published", 300, 300)
        step.result = "done well"
    screen.channels(result)
    screen.timeline(telling(records))
    screen.totals(result)
    screen.raw("[not markup]")
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_demo_prints_plain_lines_without_a_terminal(width: int) -> None:
    """The lines hold no control codes, no personal data, and the sums."""
    text = spoken(width)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "mail.example" not in text
    assert "203.0.113" not in text
    assert "lost 0, doubled 0" in text
    assert "30 MB of 40 MB" in text
    assert "300 of 300" in text
    assert "[not markup]" in text
