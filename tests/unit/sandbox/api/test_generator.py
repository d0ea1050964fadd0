"""Journeys drawn from order ids: always the same, and with everything in them that an API may send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journeys_sandbox.api.generator import event_texts, extra_of, journey_of, later_texts, revised
from journeys_sandbox.api.shapes import SPELLINGS, UNKNOWN

ORDERS = [f"order-{number}" for number in range(400)]
OBJECTS = ("creator", "ad", "email", "social_media", "organic_search")
ON_SITE = (
    "products",
    "cart_viewed",
    "checkout_started",
    "checkout_completed",
    "payment_info_submitted",
    "search_submitted",
)
PINNED = [
    ("a5f835e267d96e445ab069287a448fbc", "2026-03-02 01:21:11"),
    ("a6c882b880704c68f3f5aca9f4138cde", "2026-03-02 05:09:21"),
]
DOCUMENTED = {
    *OBJECTS,
    *ON_SITE,
    *(f"event_{name}" for name in ("id", "at", "type", "campaign", "source", "medium")),
    *(f"event_page_{name}" for name in ("url", "title", "referrer", "ip", "user_agent")),
}


def all_events() -> list[dict[str, Any]]:
    """The events of many ordinary orders."""
    return [event for order in ORDERS for event in journey_of(order)]


def test_a_journey_never_changes() -> None:
    """The journey of an order id is pinned, so that processes and versions agree on it."""
    assert [(event["event_id"], event["event_at"]) for event in journey_of("n2-pinned")] == PINNED
    assert journey_of("order-1") == journey_of("order-1")
    assert journey_of("order-1") is not journey_of("order-1")


def test_journey_sizes_are_none_one_many_and_more_than_a_page() -> None:
    """All four kinds occur among a few hundred orders."""
    sizes = {len(journey_of(order)) for order in ORDERS}
    assert {0, 1} <= sizes
    assert any(1 < size <= 100 for size in sizes)
    assert any(size > 100 for size in sizes)


@pytest.mark.parametrize(("order", "count"), [("n0-a", 0), ("n1-a", 1), ("n250", 250), ("x-503x2-n7-a", 7)])
def test_an_id_can_force_the_size(order: str, count: int) -> None:
    """The number after the n is the number of events."""
    assert len(journey_of(order)) == count


def test_event_ids_are_distinct_and_some_are_missing() -> None:
    """An id occurs once; some events lack the field, some have null."""
    ids = [event.get("event_id", "absent") for event in journey_of("n2000-ids")]
    given = [each for each in ids if each not in ("absent", None)]
    assert len(set(given)) == len(given) > 1900
    assert {"absent", None} <= set(ids)


def test_every_spelling_and_every_unknown_type_occurs() -> None:
    """Known channels in several spellings; unknown, empty and null types; no type at all."""
    events = all_events()
    assert {event["event_type"] for event in events if "event_type" in event} == {
        *UNKNOWN,
        *(text for texts in SPELLINGS.values() for text in texts),
    }
    assert any("event_type" not in event for event in events)


def test_every_object_occurs_present_null_and_absent() -> None:
    """Each documented object occurs in all three states."""
    events = all_events()
    for name in (*OBJECTS, *ON_SITE):
        assert any(event.get(name) is not None for event in events), name
        assert any(name in event and event[name] is None for event in events), name
        assert any(name not in event for event in events), name


def test_undocumented_fields_occur_at_the_top_and_nested() -> None:
    """Fields that the API document does not name occur, because a worker must keep them."""
    events = all_events()
    assert any(event.keys() - DOCUMENTED for event in events)
    assert any("niche" in (event.get("creator") or {}) for event in events)
    assert any(extra_of(order) for order in ORDERS)
    assert not all(extra_of(order) for order in ORDERS)


def test_products_have_empty_items() -> None:
    """An empty item stands among others."""
    assert any({} in (event.get("products") or []) for event in all_events())


def test_most_journeys_end_with_the_order_s_own_checkout() -> None:
    """The order's id stands in its checkout, and no marker is left."""
    ends = [events[-1] for order in ORDERS if (events := journey_of(order))]
    bought = [end for end in ends if end.get("checkout_completed")]
    assert len(bought) > len(ends) / 2
    assert {end["checkout_completed"]["other_order_id"] for end in bought} <= set(ORDERS)
    assert all(b"\\u0000" not in text for order in ORDERS for text in event_texts(order))


def test_times_ascend() -> None:
    """Events are in the order in which they happened."""
    times = [event["event_at"] for event in journey_of("n300-times") if "event_at" in event]
    assert times == sorted(times)
    assert len(times) == 300


def test_content_faults_are_part_of_the_journey() -> None:
    """A null, a string and an odd event take the place of others; an empty journey grows by them."""
    events = journey_of("x-nullevent-textevent-odd-n5-a")
    assert len(events) == 5
    assert events[0] is None
    assert isinstance(events[2], str)
    assert str(events[1]["event_id"]).startswith("odd-")
    assert journey_of("x-nullevent-n0-a") == [None]


def test_odd_events_hold_what_no_schema_promises() -> None:
    """A lone surrogate, an integer beyond 64 bits and a fraction occur among a few odd orders."""
    text = b"".join(text for number in range(20) for text in event_texts(f"x-odd-n1-{number}"))
    assert b"\\ud83d" in text
    assert str(2**64).encode() in text
    assert b"129.99" in text


@pytest.mark.parametrize("order", ["", "\ud83d", "ключ", '"quoted\\"', "a\x00b", "n", "x-", "x-n3", "n99999999"])
def test_any_id_has_a_journey(order: str) -> None:
    """Every text is an order id with a journey, also one that resembles a forced size."""
    assert 0 <= len(journey_of(order)) <= 260


def test_a_shrinking_journeys_later_events_are_not_its_own() -> None:
    """Events that a journey had and lost are not part of it."""
    later = {json.loads(text).get("event_id") for text in later_texts("n50-a", 40)} - {None}
    assert later
    assert not later & {event.get("event_id") for event in journey_of("n50-a")}


def test_a_revised_event_keeps_its_id_only() -> None:
    """A revised event has the same id and another title; an item that is no object stays as it is."""
    (text,) = event_texts("n1-a")
    before, after = json.loads(text), json.loads(revised(text))
    assert before["event_id"] == after["event_id"]
    assert before != after
    assert revised(b"null") == b"null"
