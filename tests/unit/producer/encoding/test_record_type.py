"""The common parts of the records of one topic, and of one journey."""

from __future__ import annotations

import pytest

from journeys.avro import wire
from journeys.model import Journey
from journeys.producer import schemas
from journeys.producer.encoding.record_type import Common, RecordType


def common(*, revision: int = 0, shop_currency: str | None = "EUR") -> Common:
    """The shared part of a journey of two events."""
    return Common.of(
        Journey(
            order_id="A-1",
            account="shop",
            edition="orders/3/17",
            order_timestamp_ms=None,
            events=({}, {}),
            total=2,
            pages=1,
            repeated=0,
            shared_ids=0,
            consistent=True,
            shop_currency=shop_currency,
            extra={},
            fetched_at_ms=1_700_000_000_000,
            revision=revision,
        )
    )


def test_a_value_begins_with_the_schema_id_of_its_subject() -> None:
    """The schema header comes last, so that readers without a registry know the record's type."""
    name = next(iter(schemas.RECORDS))
    made = RecordType(name, "journey.", {schemas.subject("journey.", name): 9}, lambda _: lambda _: b"body")
    assert made.topic == schemas.topic("journey.", name)
    assert wire.unframe(made.value({})) == (9, b"body")
    record = made.record(b"A-1", [("order_id", b"A-1")], b"value")
    assert (record.topic, record.key, record.value) == (made.topic, b"A-1", b"value")
    assert record.headers == [("order_id", b"A-1"), ("schema", schemas.RECORDS[name].encode())]


@pytest.mark.parametrize(("revision", "edition"), [(0, "orders/3/17"), (2, "orders/3/17#2")])
def test_a_revision_is_part_of_the_edition(revision: int, edition: str) -> None:
    """The first reading has the edition of its order message."""
    made = common(revision=revision)
    assert (made.fields["edition"], made.fields["revision"]) == (edition, revision)
    assert dict(made.identity)["edition"] == edition.encode()


def test_an_event_gets_the_shared_fields_and_its_position() -> None:
    """Each record says which journey it belongs to, how large that is, and where the record stands in it."""
    datum = {"event_id": "e"}
    common().place(datum, 1)
    assert datum == {
        "event_id": "e",
        "account": "shop",
        "edition": "orders/3/17",
        "revision": 0,
        "order_id": "A-1",
        "shop_currency": "EUR",
        "journey_size": 2,
        "fetched_at": 1_700_000_000_000,
        "position": 1,
    }
    assert common(shop_currency="\ud800").fields["shop_currency"] is None


def test_headers_leave_out_an_absent_event_id_or_type() -> None:
    """Then come the identifying headers, the same for each record of the journey, and the position."""
    own = common()
    identity = [("order_id", b"A-1"), ("account", b"shop"), ("edition", b"orders/3/17"), ("revision", b"0")]
    assert own.headers({"event_id": None}, 0) == [*identity, ("position", b"0")]
    named = own.headers({"event_id": "e", "event_type": "email"}, 12)
    assert named == [("event_id", b"e"), ("event_type", b"email"), *identity, ("position", b"12")]
