"""The demo's audit: compares the records in Kafka with the journeys of the API. Sans-I/O.

A fingerprint identifies one expected record by order, topic, position, event id and page address. An expected record
that is missing is lost. A record beyond the expected ones is doubled. A wrong record counts as both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from journeys.model import Json
from journeys_sandbox.api.shapes import SPELLINGS

CHANNELS: Final = (*SPELLINGS, "other")
"""The channels, in the order of the demo's table."""
REJECTED: Final = "rejected"
SUMMARY: Final = "summary"

_Fingerprint: TypeAlias = tuple[str, str, int, str | None, str | None]

_CHANNEL_OF: Final = {text: channel for channel, texts in SPELLINGS.items() for text in texts}
"""Spelling → channel. Written from the API document, so that the audit does not use the code under test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A record from Kafka: its topic without the prefix, and its decoded value."""

    topic: str
    value: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: how many records a channel has and should have."""

    channel: str
    read: int
    owed: int
    spellings: tuple[str, ...]
    """Event types as the API wrote them, the most frequent first; `null` for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of the audit."""

    orders: int
    summaries: int
    events: int
    """Records in the topics of channels and of rejected items."""
    lost: int
    doubled: int
    rows: tuple[Row, ...]

    @property
    def exact(self) -> bool:
        """Whether every record exists exactly once."""
        return self.lost == 0 and self.doubled == 0


def compare(journeys: Mapping[str, list[Json]], records: Iterable[Published]) -> Result:
    """Compare the records with the API's journeys (order id → events)."""
    owed = Counter(fingerprint for order, events in journeys.items() for fingerprint in _owed(order, events))
    read: Counter[_Fingerprint] = Counter()
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        read[_read(record)] += 1
        if record.topic in CHANNELS:
            spellings[record.topic][_shown(record.value.get("event_type"))] += 1
    rows = []
    for topic in (*CHANNELS, REJECTED):
        counts = (_of_topic(read, topic), _of_topic(owed, topic))
        if any(counts) or topic in CHANNELS:
            texts = tuple(text for text, _ in spellings[topic].most_common())
            rows.append(Row(channel=topic, read=counts[0], owed=counts[1], spellings=texts))
    return Result(
        orders=len(journeys),
        summaries=_of_topic(read, SUMMARY),
        events=sum(row.read for row in rows),
        lost=(owed - read).total(),
        doubled=(read - owed).total(),
        rows=tuple(rows),
    )


def telling(records: Iterable[Published]) -> list[Published]:
    """The events of the order that shows most: 6 to 12 events, many channels, a purchase. In the journey's order.

    Empty without records.
    """
    orders: defaultdict[str, list[Published]] = defaultdict(list)
    for record in records:
        if record.topic in CHANNELS:
            orders[record.value["order_id"]].append(record)
    best = max(orders.values(), key=_worth) if orders else []
    return sorted(best, key=lambda record: record.value["position"])


def _worth(events: list[Published]) -> tuple[bool, bool, int, str]:
    fits = 6 <= len(events) <= 12 and all(event.value["event_at"] is not None for event in events)
    buys = any("checkout_completed" in event.value["actions"] for event in events)
    return fits, buys, len({event.topic for event in events}), events[0].value["order_id"]


def _owed(order_id: str, events: list[Json]) -> list[_Fingerprint]:
    return [
        (order_id, SUMMARY, -1, None, None),
        *(_fingerprint(order_id, position, event) for position, event in enumerate(events)),
    ]


def _fingerprint(order_id: str, position: int, event: Json) -> _Fingerprint:
    if not isinstance(event, dict):
        return order_id, REJECTED, position, None, None
    kind = event.get("event_type")
    channel = _CHANNEL_OF.get(kind, "other") if isinstance(kind, str) else "other"
    return order_id, channel, position, event.get("event_id"), event.get("event_page_url")


def _read(record: Published) -> _Fingerprint:
    value = record.value
    return (
        value["order_id"],
        record.topic,
        value.get("position", -1),
        value.get("event_id"),
        value.get("event_page_url"),
    )


def _of_topic(counts: Counter[_Fingerprint], topic: str) -> int:
    return sum(count for fingerprint, count in counts.items() if fingerprint[1] == topic)


def _shown(kind: Json) -> str:
    return "null" if kind is None else f"“{kind}”" if str(kind) != str(kind).strip() or not kind else str(kind)
