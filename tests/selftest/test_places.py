"""The auditor of the broker tests finds what is lost, doubled or torn."""

from __future__ import annotations

from typing import Any

import pytest
from tests.broker.kafka_tools import Read
from tests.broker.places import Found, Place, Traces, place_of_each, places

PUBLISHED = Found(place=Place.PUBLISHED)


def record(topic: str, offset: int, value: bytes | None = b"order", **headers: str) -> Read:
    """A record of partition 0."""
    named = tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items())
    return Read(topic=topic, partition=0, offset=offset, key=value, value=value, headers=named, timestamp_ms=0)


def event(edition: str, position: int) -> Read:
    """An event of a journey."""
    return record("journey.ads", position, edition=edition, position=str(position))


def summary(edition: str, *, events: int, rejected: int = 0) -> dict[str, Any]:
    """The summary of a journey."""
    return {"edition": edition, "expected": {"ads": events, "email": 0}, "rejected": rejected}


def letter(offset: int) -> Read:
    """The dead letter of an order message."""
    return record(
        "dead", 0, error_reason="status-400", error_topic="orders", error_partition="0", error_offset=str(offset)
    )


def traced(**seen: Any) -> Traces:
    """One order message, covered by a commit, and what else there is."""
    nothing: dict[str, Any] = dict.fromkeys(("retries", "dead_letters", "events", "summaries"), ())
    common = {"messages": [record("orders", 0)], "is_covered": lambda _: True}
    return Traces(**{**common, **nothing, **seen})


WHOLE: dict[str, Any] = {
    "events": [event("orders/0/0", 1), event("orders/0/0", 0)],
    "summaries": [summary("orders/0/0", events=2)],
}
RETRY = record("retry", 3, edition="orders/0/0", retry_reason="timeout")


@pytest.mark.parametrize(
    ("traces", "found"),
    [
        (traced(**WHOLE), PUBLISHED),
        (traced(is_covered=lambda _: False), Found(place=Place.UNREAD)),
        (traced(messages=[record("orders", 0, None)]), Found(place=Place.SKIPPED)),
        (traced(summaries=[summary("orders/0/0", events=0)]), Found(place=Place.EMPTY)),
        (
            traced(events=[event("orders/0/0", 0)], summaries=[summary("orders/0/0", events=0, rejected=1)]),
            Found(place=Place.IN_PART),
        ),
        (traced(dead_letters=[letter(0)]), Found(place=Place.DEAD_LETTER, reason="status-400")),
        (
            traced(retries=[RETRY], is_covered=lambda read: read.topic == "orders"),
            Found(place=Place.RETRY, topic="retry", reason="timeout"),
        ),
        (traced(retries=[RETRY], **WHOLE), PUBLISHED),  # taken out of its tier again
    ],
    ids=["published", "unread", "skipped", "empty", "in part", "dead", "retry", "after a retry"],
)
def test_each_order_has_one_place(traces: Traces, found: Found) -> None:
    """The audit gives one place for each message."""
    assert list(place_of_each(traces).values()) == [found]


@pytest.mark.parametrize(
    "traces",
    [
        traced(),
        traced(**{**WHOLE, "summaries": WHOLE["summaries"] * 2}),
        traced(**WHOLE, is_covered=lambda _: False),
        traced(**WHOLE, retries=[RETRY], is_covered=lambda read: read.topic == "orders"),
        traced(**WHOLE, dead_letters=[letter(0)]),
    ],
    ids=["lost", "published twice", "published and not committed", "published and in a tier", "published and dead"],
)
def test_a_lost_or_doubled_order_fails_the_audit(traces: Traces) -> None:
    """The audit names a message that is lost or doubled."""
    with pytest.raises(AssertionError, match=r"order \(orders/0/0\)"):
        place_of_each(traces)


@pytest.mark.parametrize(
    "seen",
    [
        {"events": WHOLE["events"]},
        {**WHOLE, "events": WHOLE["events"][:1]},
        {**WHOLE, "events": [*WHOLE["events"], event("orders/0/0", 1)]},
    ],
    ids=["no summary", "an event is missing", "an event is there twice"],
)
def test_a_half_journey_is_torn(seen: dict[str, Any]) -> None:
    """Events without a fitting summary, and a summary without its events, are torn."""
    assert places(traced(**seen)) == {"orders/0/0": [Found(place=Place.TORN)]}
