"""The chaos auditors' accounts: whole journeys pass, and each planted defect is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

import pytest
from tests.broker.kafka_tools import Read
from tests.chaos.books import Books

from journeys.avro.wire import Decoder
from journeys.errors import RejectedOrderError
from journeys.model import Journey, Json, OrderMessage, Position, Record
from journeys.producer import schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.routing import Routes, route_failure

Reads: TypeAlias = list[Read]

IDS = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS, 1)}
TEXTS = {IDS[schemas.subject("journey.", name)]: schemas.text(record) for name, record in schemas.RECORDS.items()}
DECODER = Decoder(TEXTS.__getitem__, trusted=True)
ENCODER = JourneyEncoder(IDS)
SUMMARY, DEAD_LETTERS = "journey.summary", "orders.dead-letter"
EVENTS: tuple[Json, ...] = ({"event_type": "ads"}, None, {"event_type": "ads"}, {"event_type": "Email"}, {})
GIVEN_UP = RejectedOrderError("the API refuses this order: 400", reason="status-400")
ROUTES = Routes(group="journeys", retry_tiers=(), dead_letter=DEAD_LETTERS, empty_after=())


def edition_of(offset: int) -> str:
    """Of an order message."""
    return f"orders/0/{offset}"


def read(records: Iterable[Record]) -> Reads:
    """These records as a consumer gets them."""
    return [
        Read(
            topic=record.topic,
            partition=0,
            offset=offset,
            key=record.key,
            value=record.value,
            headers=tuple((name, text.encode() if isinstance(text, str) else text) for name, text in record.headers),
            timestamp_ms=0,
        )
        for offset, record in enumerate(records)
    ]


def journey(offset: int, events: tuple[Json, ...] = EVENTS) -> Reads:
    """All records of one order message's journey, the summary last."""
    whole = Journey(
        order_id=f"A-{offset}",
        account="default",
        edition=edition_of(offset),
        order_timestamp_ms=None,
        events=events,
        total=len(events),
        pages=1,
        repeated=0,
        shared_ids=0,
        consistent=True,
        shop_currency=None,
        extra={},
        fetched_at_ms=0,
    )
    return read(ENCODER.encode(whole))


def letter(offset: int) -> Reads:
    """The dead letter of one order message."""
    position = Position(topic="orders", partition=0, offset=offset)
    message = OrderMessage(position=position, key=None, value=b"A", headers=(), timestamp_ms=None)
    record, _ = route_failure(message, None, GIVEN_UP, ROUTES, now_ms=0)
    return read([record])


def found_in(records: Reads, *, placed: int) -> list[str]:
    """What the auditors say of these records, when so many orders were placed."""
    books = Books(summary=SUMMARY, dead_letters=DEAD_LETTERS, decode=DECODER.decode)
    editions = {books.enter(record) for record in records}
    along = books.wrongs(sorted(editions))
    closed = books.closed([edition_of(offset) for offset in range(placed)])
    assert [wrong for wrong in closed if "lost" not in wrong and "never placed" not in wrong] == along
    return closed


def test_the_books_balance_for_whole_journeys_and_dead_letters() -> None:
    """Rejected events, journeys without events and a dead letter are all in order."""
    assert found_in([*journey(0), *journey(1, ()), *letter(2), *journey(3)], placed=4) == []


def test_the_books_balance_in_any_reading_order() -> None:
    """A consumer of several topics gets their records in any order."""
    assert found_in([*journey(0), *journey(1)][::-1], placed=2) == []


def moved(records: Reads) -> Reads:
    """The first event stands in the topic of another channel."""
    return [replace(records[0], topic="journey.email"), *records[1:]]


DEFECTS: dict[str, tuple[Callable[[Reads], Reads], str]] = {
    "an event is missing": (lambda whole: whole[1:], "half visible: 4 of 5 events, 1 summaries"),
    "the last event is missing": (lambda whole: [*whole[:-2], whole[-1]], "half visible: 4 of 5 events, 1 summaries"),
    "all events are missing": (lambda whole: whole[-1:], "half visible: 0 of 5 events, 1 summaries"),
    "the summary is missing": (lambda whole: whole[:-1], "half visible: 5 of 0 events, 0 summaries"),
    "one event alone is there": (lambda whole: whole[:1], "half visible: 1 of 0 events, 0 summaries"),
    "an event is there twice": (lambda whole: [whole[0], *whole], "doubled: events at [0]"),
    "a rejected event is there twice": (lambda whole: [whole[-2], *whole], "doubled: events at [1]"),
    "the summary is there twice": (lambda whole: [*whole, whole[-1]], "doubled: 2 summaries and 0 dead letters"),
    "the edition is published again": (lambda whole: whole * 2, "doubled: events at [0, 1, 2, 3, 4]"),
    "a dead letter stands beside it": (lambda whole: whole + letter(1), "doubled: 1 summaries and 1 dead letters"),
    "events, and a dead letter": (lambda whole: whole[:-1] + letter(1), "half visible: 5 of 0 events, 0 summaries"),
    "two dead letters": (lambda _: letter(1) * 2, "doubled: 0 summaries and 2 dead letters"),
    "an event is in another's topic": (moved, "astray: {'email': 2, 'ads': 1, 'other': 1, 'rejected': 1}"),
    "the order is lost": (lambda _: [], "lost"),
    "a journey of an order that nobody placed": (lambda whole: whole + journey(7), "orders/0/7 was never placed"),
    "events without an edition": (
        lambda whole: [*whole, replace(whole[0], headers=(("position", b"0"),))],
        " was never placed",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_books_find_each_planted_defect_and_blame_no_other_order(defect: str) -> None:
    """The defect lies between two orders that are in order."""
    spoil, wrong = DEFECTS[defect]
    found = found_in([*journey(0), *spoil(journey(1)), *letter(2)], placed=3)
    assert any(wrong in each for each in found), found
    assert not any(each.startswith((edition_of(0), edition_of(2))) for each in found)
