"""From a journey to its records."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support.encoders import NATIVE, needs_native

from journeys.avro import wire
from journeys.errors import RejectedOrderError, SetupError
from journeys.fetcher.decoding import decode
from journeys.model import Journey, Record
from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.encoding.record_type import Common
from journeys_sandbox.api.generator import journey_of

IDS = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS, 1)}
TEXTS = {IDS[schemas.subject("journey.", name)]: schemas.text(record) for name, record in schemas.RECORDS.items()}
DECODER = wire.Decoder(TEXTS.__getitem__, trusted=True)
MOMENT = datetime(2023, 3, 29, 8, 26, 42, tzinfo=UTC)
JOURNEY = Journey(
    order_id="1001",
    account="default",
    edition="orders.completed/3/42",
    order_timestamp_ms=1_700_000_000_000,
    events=(),
    total=0,
    pages=1,
    repeated=0,
    shared_ids=0,
    consistent=True,
    shop_currency="EUR",
    extra={},
    fetched_at_ms=1_700_000_001_000,
)


def records_of(*events: Any, **changes: Any) -> list[Record]:
    """The records of a journey of these events, with other changes to it."""
    journey = msgspec.structs.replace(JOURNEY, events=events, total=len(events), **changes)
    return JourneyEncoder(IDS).encode(journey)


def decoded(record: Record) -> dict[str, Any]:
    """A record's value, decoded by the schema that its id names."""
    assert record.value is not None
    datum: dict[str, Any] = DECODER.decode(record.value)
    return datum


def test_events_come_in_order_then_rejected_ones_then_the_summary() -> None:
    """Positions count within the whole journey, rejected items included."""
    records = records_of({"event_type": "ads"}, None, {"event_type": "Email"}, ["odd"], {})
    assert [(record.topic, decoded(record).get("position")) for record in records] == [
        ("journey.ads", 0),
        ("journey.email", 2),
        ("journey.other", 4),
        ("journey.rejected", 1),
        ("journey.rejected", 3),
        ("journey.summary", None),
    ]
    assert {record.key for record in records} == {b"1001"}
    assert [decoded(record)["journey_size"] for record in records] == [5] * 6
    assert [decoded(record)["raw"] for record in records[3:5]] == ["null", '["odd"]']


def test_a_record_says_whose_it_is() -> None:
    """Every event carries its identity, the shop's currency and when it was read."""
    datum = decoded(records_of({"event_type": "direct"})[0])
    assert {
        name: datum[name] for name in ("account", "edition", "revision", "order_id", "shop_currency", "fetched_at")
    } == {
        "account": "default",
        "edition": "orders.completed/3/42",
        "revision": 0,
        "order_id": "1001",
        "shop_currency": "EUR",
        "fetched_at": datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC),
    }


def test_the_headers_are_in_their_order() -> None:
    """A header whose value is null is left out; values are bytes."""
    full, bare, rejected, summary = records_of({"event_id": "é1", "event_type": "AD"}, {"event_id": None}, 0)
    shared = [
        ("order_id", b"1001"),
        ("account", b"default"),
        ("edition", b"orders.completed/3/42"),
        ("revision", b"0"),
    ]
    assert full.headers == [
        ("event_id", "é1".encode()),
        ("event_type", b"AD"),
        *shared,
        ("position", b"0"),
        ("schema", b"AdsEvent"),
    ]
    assert bare.headers == [*shared, ("position", b"1"), ("schema", b"OtherEvent")]
    assert rejected.headers == [*shared, ("position", b"2"), ("schema", b"RejectedEvent")]
    assert summary.headers == [*shared, ("schema", b"JourneySummary")]


def test_the_value_names_the_schema_of_its_subject() -> None:
    """The wire format is 0, the four bytes of the id, the body."""
    value = records_of({"event_type": "ads"})[0].value
    assert value is not None
    assert value[:5] == b"\x00" + IDS["journey.ads-value"].to_bytes(4, "big")


def test_the_summary_counts_the_journey() -> None:
    """Counts, times and the conversion are those of the events; the rest is the journey's."""
    summary = decoded(
        records_of(
            {"event_type": "ads", "event_at": "2023-03-29 08:00:00", "event_page_ip": {}},
            {"event_type": "ad", "event_at": "2023-03-01 08:00:00"},
            {"event_type": "email", "event_at": "never"},
            {"checkout_completed": {"other_order_id": 1001, "total_price": 1.5}},
            None,
            pages=2,
            repeated=3,
            shared_ids=4,
            consistent=False,
            extra={"/note": {"a": "é"}, "/\ud800": 1},
        )[-1]
    )
    assert summary == {
        "account": "default",
        "edition": "orders.completed/3/42",
        "revision": 0,
        "order_id": "1001",
        "shop_currency": "EUR",
        "order_timestamp": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "expected": {"ads": 2, "email": 1, "other": 1},
        "journey_size": 5,
        "api_total": 5,
        "pages": 2,
        "rejected": 1,
        "repeated": 3,
        "shared_ids": 4,
        "misfit_count": 3,
        "consistent": False,
        "first_event_at": datetime(2023, 3, 1, 8, tzinfo=UTC),
        "last_event_at": datetime(2023, 3, 29, 8, tzinfo=UTC),
        "conversion_seen": True,
        "order_no": None,
        "order_total": None,
        "order_currency": None,
        "order_shop_currency_total": None,
        "fetched_at": datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC),
        "source_topic": "orders.completed",
        "source_partition": 3,
        "source_offset": 42,
        "extra": {"/note": '{"a":"é"}', "/~ud800": "1"},
    }


def test_an_empty_journey_has_a_summary() -> None:
    """An order without events has one record, its summary."""
    (only,) = records_of()
    assert only.topic == "journey.summary"
    assert (decoded(only)["expected"], decoded(only)["first_event_at"]) == ({}, None)


@pytest.mark.parametrize("checkout", [None, {}, {"other_order_id": "1002"}, {"other_order_no": "1001"}, []])
def test_a_checkout_of_another_order_is_no_conversion(checkout: Any) -> None:
    """Only a completed checkout that names this order counts: a visitor may have other orders in one journey."""
    assert decoded(records_of({"checkout_completed": checkout})[-1])["conversion_seen"] is False


def checkout(total: int, *, order: Any = "1001", at: Any = None, **changes: Any) -> dict[str, Any]:
    """An event with a completed checkout of this total."""
    fields = {
        "other_order_id": order,
        "other_order_no": f"no. {total}",
        "currency": "USD",
        "total_price": total,
        "shop_currency_total_price": 2 * total,
    }
    return {"event_at": at, "checkout_completed": fields, **changes}


MARCH, APRIL = "2026-03-01 08:00:00", "2026-04-01 08:00:00"
ODD = {"event_page_ip": ["no text"]}


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([], None),
        ([checkout(1, order="1002")], None),
        ([checkout(1), {}, checkout(2, order="1002", at=APRIL)], 1),
        ([checkout(1, at=APRIL), checkout(2, at=MARCH)], 1),
        ([checkout(1, at=MARCH), checkout(2, at=MARCH)], 2),
        ([checkout(1, at="1969-12-31 08:00:00"), checkout(2)], 1),
        ([checkout(1, at=MARCH), checkout(2, at="never"), checkout(3)], 1),
        ([checkout(1, at=MARCH, **ODD), checkout(2, at=APRIL), checkout(3, at=MARCH)], 2),
        ([checkout(1, at=MARCH), checkout(2, at=APRIL, **ODD), checkout(3, at=MARCH)], 2),
        ([checkout(1, order=1001)], 1),
    ],
)
def test_the_summary_has_the_totals_of_the_orders_latest_checkout(
    events: list[Any], total: int | None, *, native: bool
) -> None:
    """Only checkouts of this order count. The latest time wins, then the last position; no time is the earliest."""
    journey = msgspec.structs.replace(JOURNEY, events=tuple(events), total=len(events))
    summary = decoded(JourneyEncoder(IDS, native=native).encode(journey)[-1])
    names = ("conversion_seen", "order_no", "order_total", "order_currency", "order_shop_currency_total")
    seen = (True, f"no. {total}", total, "USD", 2 * total) if total else (False, None, None, None, None)
    assert tuple(summary[name] for name in names) == seen


@pytest.mark.parametrize("native", NATIVE)
def test_a_revision_ends_the_edition(*, native: bool) -> None:
    """Records of a re-reading bear its number, and their edition differs from the first reading's."""
    journey = msgspec.structs.replace(JOURNEY, events=({"event_type": "ads"}, None), total=2, revision=2)
    records = JourneyEncoder(IDS, native=native).encode(journey)
    edition = "orders.completed/3/42#2"
    assert [(decoded(record)["edition"], decoded(record)["revision"]) for record in records] == [(edition, 2)] * 3
    assert [(dict(record.headers)["edition"], dict(record.headers)["revision"]) for record in records] == [
        (edition.encode(), b"2")
    ] * 3
    summary = decoded(records[-1])
    assert (summary["source_topic"], summary["source_partition"], summary["source_offset"]) == (
        "orders.completed",
        3,
        42,
    )


@pytest.mark.parametrize("edition", ["backfill-7", "orders/x/1", "orders/1", "orders/1/2/3", "/1/2", "a/-1/2"])
def test_an_edition_that_is_no_position_has_no_source(edition: str) -> None:
    """The summary names the source only if the edition names a record in Kafka."""
    summary = decoded(records_of(edition=edition)[-1])
    assert (summary["source_topic"], summary["source_partition"], summary["source_offset"]) == (None, None, None)


def test_a_currency_without_utf8_form_is_kept_raw() -> None:
    """A lone surrogate beside the events costs the field, not the journey."""
    event, summary = records_of({}, shop_currency="\ud800")
    assert decoded(event)["shop_currency"] is None
    assert decoded(summary)["extra"] == {"/shop_currency": '"\\ud800"'}


@pytest.mark.parametrize("native", [True, False])
def test_products_with_integer_keys_are_a_list(native: bool) -> None:
    """The encoder in C leaves PHP's array with a gap to the coercion."""
    journey = msgspec.structs.replace(JOURNEY, events=({"products": {"0": {"price": 1}, "2": {"price": 2}}},))
    event, _ = JourneyEncoder(IDS, native=native).encode(journey)
    assert [product["price"] for product in decoded(event)["products"]] == [Decimal(1), Decimal(2)]


@pytest.mark.parametrize("native", [True, False])
def test_a_deep_value_costs_no_journey(native: bool) -> None:
    """Deep JSON is kept in `extra`, even with a lone surrogate inside, which has to be escaped."""
    deep: Any = "\ud800"
    for _ in range(5000):
        deep = {"a": deep}
    journey = msgspec.structs.replace(JOURNEY, events=({"odd": deep},))
    event, _ = JourneyEncoder(IDS, native=native).encode(journey)
    assert decoded(event)["extra"] == {"/odd": '{"a":' * 5000 + '"\\ud800"' + "}" * 5000}


def test_a_journey_without_json_form_is_rejected() -> None:
    """It ends as a dead letter, not as the end of the worker. The decoder never returns such an integer."""
    with pytest.raises(RejectedOrderError) as refused:
        records_of({"odd": 10**5000})
    assert (refused.value.reason, refused.value.stage) == ("unencodable", "publish")


def test_a_prefix_and_an_alias_lead_to_their_topic() -> None:
    """Topics follow the prefix, channels the aliases."""
    ids = {schemas.subject("shop.", name): 7 for name in schemas.RECORDS}
    encoder = JourneyEncoder(ids, topic_prefix="shop.", aliases={"newsletter": "email"})
    records = encoder.encode(msgspec.structs.replace(JOURNEY, events=({"event_type": "Newsletter"},)))
    assert [record.topic for record in records] == ["shop.email", "shop.summary"]


def test_a_missing_schema_id_is_refused_with_its_remedy() -> None:
    """Without an id for each subject there is no encoder."""
    with pytest.raises(SetupError, match=r"journey\.ads-value") as refused:
        JourneyEncoder({name: number for name, number in IDS.items() if name != "journey.ads-value"})
    assert refused.value.remedy == "journeys schemas register"


@needs_native
def test_events_of_the_stand_in_need_no_coercion() -> None:
    """The fast encoder writes every event that the API sends, unknown fields at any depth included."""
    encoder = JourneyEncoder(IDS)
    found = set()
    for number in range(300):
        events = tuple(journey_of(f"n10-order-{number}"))
        journey = msgspec.structs.replace(JOURNEY, events=events, total=len(events))
        records = encoder._written(journey.events, Common.of(journey)).records
        assert None not in records
        found |= {record.topic for record in records if record}
    assert found == {f"journey.{channel}" for channel in Channel}


@needs_native
def test_both_encoders_give_the_same_records() -> None:
    """Whole journeys are equal: headers, rejected items, coerced events and the summary."""
    reference, fast = JourneyEncoder(IDS, native=False), JourneyEncoder(IDS)
    odd: list[Any] = [{"event_type": "ads", "event_page_ip": [1]}, 7, {"event_type": {}}, {"event_id": 5}]
    for number in range(200):
        events = (*journey_of(f"n10-order-{number}"), *odd, *journey_of(f"n3-later-{number}"))
        journey = msgspec.structs.replace(JOURNEY, events=events, total=len(events))
        assert fast.encode(journey) == reference.encode(journey)


@pytest.mark.parametrize("native", NATIVE)
def test_every_event_of_a_large_journey_says_where_it_stands(*, native: bool) -> None:
    """The position is right beyond the table of prepared headers."""
    journey = msgspec.structs.replace(JOURNEY, events=({"event_type": "ads"},) * 1100)
    *records, _ = JourneyEncoder(IDS, native=native).encode(journey)
    assert [dict(record.headers)["position"] for record in records] == [b"%d" % position for position in range(1100)]
    assert decoded(records[1099])["position"] == 1099


@pytest.mark.parametrize("native", NATIVE)
def test_nothing_of_a_journey_stays_in_memory(*, native: bool) -> None:
    """Types that no table knows are the API's own texts, of any length."""
    encoder = JourneyEncoder(IDS, native=native)

    def encode(start: int) -> None:
        for number in range(start, start + 50):
            events = ({"event_type": f"{number}" + "a" * 2**16},)
            encoder.encode(msgspec.structs.replace(JOURNEY, events=events, total=1))

    encode(0)
    tracemalloc.start()
    try:
        encode(50)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 2**20


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("size", [2047, 2048, 100_000])
@pytest.mark.parametrize("letter", ["a", "ö"])
def test_a_long_text_is_written_whole_and_in_place(letter: str, size: int, *, native: bool) -> None:
    """Long texts are written at any depth, and are no misfits."""
    text = letter * size
    event = {"event_type": "ads", "event_page_url": text, "ad": {"ad_id": text}, "new": text}
    journey = msgspec.structs.replace(JOURNEY, events=(event,), total=1, shop_currency=text)
    record = decoded(JourneyEncoder(IDS, native=native).encode(journey)[0])
    assert (record["event_page_url"], record["ad"]["ad_id"], record["shop_currency"]) == (text, text, text)
    assert (record["extra"], record["misfits"]) == ({"/new": f'"{text}"'}, [])


def test_each_misfit_is_reported_by_its_pointer() -> None:
    """Metrics can then show drift of the API field by field."""
    reported: list[str] = []
    encoder = JourneyEncoder(IDS, misfit=reported.append)
    event = {"event_type": "ads", "event_page_ip": [1], "ad": {"ad_id": {}}}
    encoder.encode(msgspec.structs.replace(JOURNEY, events=(event,), total=1))
    assert sorted(reported) == ["/ad/ad_id", "/event_page_ip"]


def read_back(body: str, *, native: bool) -> dict[str, Any]:
    """The record of an event, decoded; the event is decoded from its JSON as the worker does it."""
    event = decode(body.encode())
    journey = msgspec.structs.replace(JOURNEY, events=(event,), total=1)
    return decoded(JourneyEncoder(IDS, native=native).encode(journey)[0])


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize(
    ("price", "kept", "raw"),
    [
        ("129.99", "129.99", None),
        ('"129.99"', "129.99", None),
        ("129.00", "129", None),
        ("-0.000000128", "-0.000000128", None),
        ("999999999.999999999", "999999999.999999999", None),
        ("1000000000.000000001", "1000000000.000000001", None),
        ("999999999", "999999999", None),
        ("-1000000000", "-1000000000", None),
        ("12345678901234567890", "12345678901234567890", None),
        ("9007199254740993.0", "9007199254740993", None),
        ("1e3", "1000", None),
        ('"1e3"', "1000", None),
        ("129.99000000000001", "129.99", "129.99000000000001"),
        ("-0.00000000050000001", "-0.000000001", "-0.00000000050000001"),
        ("1e-1000000", "0", "1e-1000000"),
        ("1e1000000", None, "1e1000000"),
        ("1" + "0" * 29, None, "1" + "0" * 29),
        ('"129.990000000001"', None, '"129.990000000001"'),
        ('"12-"', None, '"12-"'),
        ('"."', None, '"."'),
        ('"-"', None, '"-"'),
        ("true", None, "true"),
        ("[]", None, "[]"),
        ("NaN", None, "NaN"),
    ],
)
def test_both_encoders_publish_exact_money(price: str, kept: str | None, raw: str | None, *, native: bool) -> None:
    """A price is exact, or rounded with its raw text in extra, or a misfit."""
    record = read_back(f'{{"event_type": "ads", "products": [{{"price": {price}}}]}}', native=native)
    assert record["products"][0]["price"] == (None if kept is None else Decimal(kept))
    assert record["extra"] == ({} if raw is None else {"/products/0/price": raw})
    assert record["misfits"] == (["/products/0/price"] if kept is None else [])


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize(
    ("sent", "at", "text"),
    [
        ('"2023-03-29 08:26:42 UTC"', MOMENT, "2023-03-29 08:26:42 UTC"),
        ('"2023/03/29 08:26:42"', MOMENT, "2023/03/29 08:26:42"),
        ('"2023-03-29 08:26:42 "', MOMENT, "2023-03-29 08:26:42 "),
        ('"1680078402"', MOMENT, "1680078402"),
        ("1680078402000", MOMENT, "1680078402000"),
        ("1680078402.0", MOMENT, "1680078402.0"),
        ('"0000-00-00 00:00:00"', None, "0000-00-00 00:00:00"),
        ('"yesterday"', None, "yesterday"),
        ('"9999-12-31 23:59:59-01:00"', None, "9999-12-31 23:59:59-01:00"),
        ("0", None, "0"),
    ],
)
def test_both_encoders_read_times_or_count_a_misfit(sent: str, at: datetime | None, text: str, *, native: bool) -> None:
    """A time that is read is no misfit; any other is null, with its text beside it."""
    record = read_back(f'{{"event_type": "direct", "event_at": {sent}}}', native=native)
    assert (record["event_at"], record["event_at_text"]) == (at, text)
    assert record["misfits"] == ([] if at else ["/event_at"])


@pytest.mark.parametrize("native", NATIVE)
def test_both_encoders_keep_every_digit(*, native: bool) -> None:
    """An id that comes as a number becomes its digits, and extra holds unknown numbers as received."""
    record = read_back(
        '{"event_type": "ads", "ad": {"campaign_id": 120210000000123457.0, "ad_id": 1.0, "set_id": 1.50},'
        ' "new": 12345678901234567.123456789}',
        native=native,
    )
    assert [record["ad"][name] for name in ("campaign_id", "ad_id", "set_id")] == ["120210000000123457", "1", "1.50"]
    assert (record["extra"], record["misfits"]) == ({"/new": "12345678901234567.123456789"}, [])


@pytest.mark.parametrize("native", NATIVE)
def test_both_encoders_take_phps_empty_values_as_nothing(*, native: bool) -> None:
    """No misfit, no action, and nothing in extra; an object of zeros stays without an action."""
    record = read_back(
        '{"event_type": "direct", "ad": [], "creator": {}, "cart_viewed": [], "search_submitted": {}, "products": {},'
        ' "checkout_completed": {"total_price": 0.00, "currency": ""}}',
        native=native,
    )
    assert (record["cart_viewed"], record["products"]) == (None, [])
    assert record["search_submitted"] == {"search_query": None}
    assert record["checkout_completed"]["total_price"] == 0
    assert (record["actions"], record["misfits"], record["extra"]) == ([], [], {})


@needs_native
def test_usual_values_need_no_coercion() -> None:
    """Prices in every form, empty arrays for objects and rounded numbers stay on the fast way."""
    event = decode(
        b'{"event_type": "ads", "event_at": "2023-03-29 08:26:42", "ad": [], "cart_viewed": {"total_price": 129.99},'
        b' "products": [{"price": "5.00", "shop_currency_price": 129.99000000000001}, {"price": 3000000000}]}'
    )
    journey = msgspec.structs.replace(JOURNEY, events=(event,), total=1)
    assert None not in JourneyEncoder(IDS)._written(journey.events, Common.of(journey)).records
