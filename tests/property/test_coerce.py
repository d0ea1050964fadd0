"""Any event, through its schema and back: nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.expectations import OBJECTS_OF, ON_SITE, OURS, SOURCES, TEXTS, expected_record, lost

from journeys.avro import wire
from journeys.model import Journey
from journeys.number import Number
from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.encoding.text import moment

IDS = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS, 1)}
NAMES = {IDS[schemas.subject("journey.", name)]: record for name, record in schemas.RECORDS.items()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DECODER = wire.Decoder(lambda schema_id: schemas.text(NAMES[schema_id]), trusted=True)
TYPE_OF: dict[str, str | None] = {channel: channel.value for channel in Channel} | {Channel.OTHER: None}

thorough = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""Events are large: generating one takes longer than testing it, and a busy machine is no failure."""

numbers = st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Number) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?|[eE][+-]?[0-9]{1,8})", fullmatch=True
).map(Number)
"""Numbers as the worker decodes them, with a fraction or an exponent."""
clean_money = st.integers(-(10**12), 10**12).map(lambda number: Number(Decimal(f"{number}E-2")))
any_text = st.text(st.characters(codec=None), max_size=8)
utf8_text = st.text(max_size=8)
longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | numbers
    | st.integers(-(10**20), 10**20).map(str)
    | st.sampled_from(["129.99", "129.00", "", "2023-03-29 08:26:42", "0000-00-00 00:00:00", "1680078402", "~", "/"])
    | any_text
)
edges = st.sampled_from([0, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**19]).flatmap(
    lambda edge: st.integers(edge - 2, edge + 2) | st.integers(-edge - 2, -edge + 2)
)
near_integers = edges | edges.map(float).map(repr).map(Number) | edges.map(str) | numbers
any_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3), max_leaves=6
)
moments = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat(" ", "seconds").removesuffix("+00:00"))


def wild_objects(fields: dict[str, type]) -> st.SearchStrategy[Any]:
    """An object with any of its fields at any value, and fields of other names; or something else."""
    values = {name: any_json if kind is str else near_integers | any_json for name, kind in fields.items()}
    unknown = st.dictionaries(any_text, any_json, max_size=2)
    known = st.fixed_dictionaries({}, optional=values)
    return st.builds(lambda one, other: one | other, unknown, known) | any_json


def wild_events() -> st.SearchStrategy[dict[str, Any]]:
    """An object that has something of an event: known names, ours, unknown ones, all at any value."""
    objects: dict[str, st.SearchStrategy[Any]] = {
        name: wild_objects(fields) for name, fields in (ON_SITE | SOURCES).items()
    }
    products = wild_objects(ON_SITE["products"])
    by_place = st.dictionaries(st.integers(-1, 3).map(str), products, max_size=3)
    objects["products"] = st.lists(products, max_size=3) | by_place | any_json
    names = st.sampled_from([*TEXTS, *OURS, "event_at"]) | any_text
    known = st.fixed_dictionaries({}, optional=objects)
    return st.builds(lambda one, other: one | other, st.dictionaries(names, any_json, max_size=6), known)


def clean_objects(fields: dict[str, type]) -> st.SearchStrategy[dict[str, Any]]:
    """An object as documented, each field perhaps null or absent, with unknown ones beside."""
    values = {
        name: st.none() | (utf8_text if kind is str else longs if kind is int else longs | clean_money)
        for name, kind in fields.items()
    }
    known = st.fixed_dictionaries({}, optional=values)
    unknown = st.dictionaries(utf8_text.map("x".__add__), utf8_text | longs, max_size=2)
    return st.builds(lambda one, other: one | other, unknown, known)


def clean_events() -> st.SearchStrategy[dict[str, Any]]:
    """An event whose documented fields have their documented types, with unknown ones at any depth."""
    objects: dict[str, st.SearchStrategy[Any]] = {
        name: st.none() | clean_objects(fields) for name, fields in (ON_SITE | SOURCES).items()
    }
    objects["products"] = st.none() | st.lists(clean_objects(ON_SITE["products"]), max_size=3)
    values = dict.fromkeys(TEXTS, st.none() | utf8_text) | objects | {"event_at": st.none() | moments}
    unknown = st.dictionaries(utf8_text.map("x".__add__) | st.sampled_from(OURS), utf8_text | longs, max_size=2)
    return st.builds(lambda one, other: one | other, unknown, st.fixed_dictionaries({}, optional=values))


@cache
def encoders(zone: tzinfo) -> list[JourneyEncoder]:
    """Both encoders; where C is not installed, fastavro twice."""
    return [JourneyEncoder(IDS, zone=zone, native=native) for native in (False, True)]


def published(*events: Any, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """The decoded records of a journey of these events, the summary last; both encoders must give the same."""
    journey = Journey(
        order_id="1001",
        account="default",
        edition="orders.completed/0/0",
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
    records, same = (encoder.encode(journey) for encoder in encoders(zone))
    assert records == same
    return [DECODER.decode(record.value or b"") for record in records]


@pytest.mark.parametrize("channel", Channel)
@thorough
@given(wild_events())
def test_coercion_loses_nothing_of_an_event(channel: Channel, event: dict[str, Any]) -> None:
    """Every value is in the record, in extra, or both; misfits are null in place and raw in extra."""
    event |= {"event_type": TYPE_OF[channel]}
    record = published(event)[0]
    assert lost(event, record) == []
    assert set(record["misfits"]) <= set(record["extra"])
    assert len(record["misfits"]) == len(set(record["misfits"]))
    assert [record[name] for name in ("account", "order_id", "position", "journey_size")] == [
        "default",
        "1001",
        0,
        1,
    ]


@pytest.mark.parametrize("channel", Channel)
@thorough
@given(clean_events())
def test_a_documented_event_survives_the_round_trip(channel: Channel, event: dict[str, Any]) -> None:
    """Encoded and decoded, every documented field is equal, and the unknown ones are in extra."""
    event |= {"event_type": TYPE_OF[channel]}
    record = published(event)[0]
    expected = expected_record(event, channel)
    assert {name: record[name] for name in expected} == expected
    assert set(record) == {*expected, *OURS}


time_texts = (
    st.tuples(
        st.sampled_from(
            ["2023-03-29", "20230329", "2023-02-30", "0001-01-01", "9999-12-31", "2023-03-2", "2023-03-290"]
        )
        | st.dates().map(str)
        | st.dates().map("{:%Y%m%d}".format)
        | st.tuples(st.sampled_from([1900, 1970, 2000, 2023, 2024, 2100]), st.integers(0, 13), st.integers(0, 32)).map(
            lambda day: "{:04}-{:02}-{:02}".format(*day)
        ),
        st.sampled_from([" ", " ", " ", "T", "t", "", "  "]),
        st.sampled_from(["00:00:00", "23:59:59", "24:00:00", "08:60:00", "08:26:60", "8:26:42", "08:26", "08:26:42.5"])
        | st.times().map("{:%H:%M:%S}".format),
        st.sampled_from(["", "", "", "Z", "+08:00", " "]),
    ).map("".join)
    | st.from_regex(r"\d{4}-?\d\d-?\d\d[ T]\d\d:\d\d:\d\d", fullmatch=True)
    | st.from_regex(r"[12][-0-9: /é]{16,18}", fullmatch=True)
)


@settings(max_examples=500)
@given(time_texts)
def test_event_times_agree_with_the_parser(text: str) -> None:
    """The encoder in C, which reads the usual forms itself, agrees with the parser, in UTC."""
    event, summary = published({"event_at": text})
    at_ms = moment(text, UTC)
    at = None if at_ms is None else EPOCH + timedelta(milliseconds=at_ms)
    assert event["event_at"] == summary["first_event_at"] == at


def test_a_time_without_offset_is_in_the_given_zone() -> None:
    """Both encoders apply the zone, in summer and in winter."""
    zone = ZoneInfo("Europe/Berlin")
    for text, utc in (("2023-03-29 08:26:42", "2023-03-29 06:26:42"), ("20231229 08:26:42", "20231229 07:26:42")):
        event = published({"event_at": text}, zone=zone)[0]
        assert event["event_at"] == published({"event_at": utc})[0]["event_at"]


@given(st.sampled_from(Channel))
def test_an_event_of_nulls_gives_a_record_of_nulls(channel: Channel) -> None:
    """Null everywhere and nothing at all give the same record."""
    names = [*TEXTS, "event_at", *ON_SITE, *SOURCES]
    nulls = dict.fromkeys(names) | {"event_type": TYPE_OF[channel]}
    full, bare = published(nulls)[0], published({"event_type": TYPE_OF[channel]})[0]
    assert full == bare
    assert [full[name] for name in (*ON_SITE, *OBJECTS_OF[channel])] == [None] * (6 + len(OBJECTS_OF[channel]))


@thorough
@given(st.lists(wild_events() | any_json, max_size=5))
def test_a_summary_counts_the_journeys_events(events: list[Any]) -> None:
    """Expected and rejected together are the journey, each position once, with times within their bounds."""
    *records, summary = published(*events)
    rejected = [record for record in records if "raw" in record]
    assert sorted(record["position"] for record in records) == list(range(len(events)))
    assert sum(summary["expected"].values()) + summary["rejected"] == summary["journey_size"] == len(events)
    assert summary["rejected"] == len(rejected)
    assert summary["misfit_count"] == sum(len(record.get("misfits", [])) for record in records)
    times = [record["event_at"] for record in records if record.get("event_at") is not None]
    assert (summary["first_event_at"], summary["last_event_at"]) == (
        min(times, default=None),
        max(times, default=None),
    )


checkouts = st.fixed_dictionaries(
    {"event_at": st.sampled_from([None, "never", "2026-03-01 08:00:00", "2026-04-01 08:00:00"])},
    optional={
        "checkout_completed": st.fixed_dictionaries(
            {"other_order_id": st.sampled_from(["1001", 1001, "1002", None]), "total_price": st.integers(0, 9)}
        ),
        "event_page_ip": st.just(["no text"]),
    },
)


@thorough
@given(st.lists(checkouts, max_size=6))
def test_a_summary_has_the_total_of_the_orders_latest_checkout(events: list[dict[str, Any]]) -> None:
    """It is that of the event which sorts last by time and position, among those whose checkout is this order's."""
    *records, summary = published(*events)
    own = [record for record in records if (record["checkout_completed"] or {}).get("other_order_id") == "1001"]
    latest = max(
        own,
        key=lambda record: (record["event_at"] or datetime.min.replace(tzinfo=UTC), record["position"]),
        default=None,
    )
    assert summary["conversion_seen"] == bool(own)
    assert summary["order_total"] == (latest and latest["checkout_completed"]["total_price"])
