"""Journeys as records that an audit reads back quickly: JSON instead of Avro, which has its own tests."""

from __future__ import annotations

from collections import Counter

import msgspec

from journeys.model import Journey, Record

SUMMARY = "journey.summary"


class Event(msgspec.Struct):
    """An event as published."""

    edition: str
    position: int
    place: str
    """The event's place in the API's journey, as the API names it."""
    text: str = ""


class Summary(msgspec.Struct):
    """The summary of a journey, from which a reader knows the records to expect."""

    edition: str
    order_id: str
    expected: dict[str, int]
    consistent: bool


class JsonEncoder:
    """Stands for the worker's encoder."""

    def encode(self, journey: Journey) -> list[Record]:
        """The records of a journey, the summary last."""
        key = journey.order_id.encode()
        records: list[Record] = []
        for position, event in enumerate(journey.events):
            made = Event(journey.edition, position, event["place"], event.get("text", ""))
            topic = f"journey.{event['event_type']}"
            records.append(Record(topic=topic, key=key, value=msgspec.json.encode(made), headers=[]))
        expected = dict(Counter(record.topic for record in records))
        summary = Summary(journey.edition, journey.order_id, expected, journey.consistent)
        return [*records, Record(topic=SUMMARY, key=key, value=msgspec.json.encode(summary), headers=[])]
