"""Coercion: how an event's values are made to fit its schema."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from journeys.model import Unreadable
from journeys.number import Number
from journeys.producer import schemas
from journeys.producer.encoding.coerce import Coercion, api_fields
from journeys.producer.encoding.text import moment, raw_json, token

OTHER = schemas.load("OtherEvent")
EVERYWHERE = api_fields(OTHER)


def coerced(event: dict[str, Any], record: str = "OtherEvent") -> dict[str, Any]:
    """The datum of an event."""
    return Coercion(schemas.load(record), elsewhere=EVERYWHERE)(event)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (129, 129),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        ("129", 129),
        ("-129.00", -129),
        ("9223372036854775807", 2**63 - 1),
        (Number("129.0"), 129),
        (Number("-0.0"), 0),
        (Number("1.2e1"), 12),
        (Number("9007199254740993.0"), 2**53 + 1),
        (0, 0),
        (None, None),
    ],
)
def test_integers_in_other_forms_become_longs(sent: Any, kept: Any) -> None:
    """A number without fraction is taken, also as a text."""
    datum = coerced({"cart_viewed": {"total_quantity": sent}})
    assert datum["cart_viewed"]["total_quantity"] == kept
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize(
    ("sent", "raw"),
    [
        (Number("129.99"), "129.99"),
        ("129.99", '"129.99"'),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        ("9223372036854775808", '"9223372036854775808"'),
        (Number("9223372036854775808.0"), "9223372036854775808.0"),
        (Number("1E+300"), "1E+300"),
        (True, "true"),
        (" 1", '" 1"'),
        ("1e3", '"1e3"'),
        ("٣", '"٣"'),
        ({"amount": 1}, '{"amount":1}'),
        ([1], "[1]"),
    ],
)
def test_values_that_are_no_long_are_kept_raw(sent: Any, raw: str) -> None:
    """A value that would lose something as an integer is null, raw in extra and named in misfits."""
    datum = coerced({"cart_viewed": {"total_quantity": sent}})
    assert datum["cart_viewed"]["total_quantity"] is None
    assert datum["misfits"] == ["/cart_viewed/total_quantity"]
    assert datum["extra"] == {"/cart_viewed/total_quantity": raw}


def test_an_empty_text_is_no_number_and_no_misfit() -> None:
    """The field is null, as if it had been sent so."""
    datum = coerced({"cart_viewed": {"total_quantity": "", "total_price": ""}, "creator": {"creator_cost": ""}})
    assert datum == coerced({"cart_viewed": {}, "creator": {}})
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (129, "129"),
        (Number("129.99"), "129.99"),
        (Number("129.00"), "129"),
        (Number("1e3"), "1000"),
        ("130.50", "130.5"),
        ("-0.000000001", "-0.000000001"),
        (9 * 10**28, "9" + "0" * 28),
        (Number("9007199254740993.0"), "9007199254740993"),
        (Number("0e1000000"), "0"),
    ],
)
def test_money_is_exact(sent: Any, kept: str) -> None:
    """Integers, fractions and numeric texts become decimals."""
    datum = coerced({"creator": {"creator_cost": sent}})
    assert datum["creator"]["creator_cost"] == Decimal(kept)
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("129.99000000000001", "129.99"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        ("0.0000000025", "0.000000002"),
        ("1e-1000000", "0"),
    ],
)
def test_more_than_nine_decimals_are_rounded_and_kept_raw(sent: str, kept: str) -> None:
    """Binary floats print such noise: it is no misfit, and is rounded half-even."""
    datum = coerced({"creator": {"creator_cost": Number(sent)}})
    assert datum["creator"]["creator_cost"] == Decimal(kept)
    assert (datum["misfits"], datum["extra"]) == ([], {"/creator/creator_cost": sent})


@pytest.mark.parametrize(
    "sent",
    [
        10**29,
        Number("1e29"),
        Number("1e1000000"),
        Number("99999999999999999999999999999.9999999999"),
        "129.990000000001",
        "USD 5",
        "1,299.00",
        " 5",
        "NaN",
        True,
        {"amount": 1},
        [],
    ],
)
def test_other_money_is_a_misfit(sent: Any) -> None:
    """More than 29 integer digits, other texts and other types are null, and kept raw."""
    datum = coerced({"creator": {"creator_cost": sent}})
    assert datum["creator"]["creator_cost"] is None
    assert datum["misfits"] == ["/creator/creator_cost"]
    assert datum["extra"] == {"/creator/creator_cost": raw_json(sent)}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("", ""),
        ("naïve 🛒 \x00", "naïve 🛒 \x00"),
        (12, "12"),
        (Number("1.50"), "1.50"),
        (Number("1.0"), "1"),
        (Number("-0.0"), "0"),
        (Number("120210000000123457.0"), "120210000000123457"),
        (Number("1.2e38"), "1.2e38"),
        (Number("1.2e37"), "12" + "0" * 36),
        (2**80, str(2**80)),
        (True, "true"),
        (None, None),
    ],
)
def test_a_scalar_becomes_text(sent: Any, kept: Any) -> None:
    """A boolean becomes its JSON text, a number its digits; one that is not whole, or too long, stays as sent."""
    datum = coerced({"event_campaign": sent})
    assert datum["event_campaign"] == kept
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize(
    ("sent", "raw"), [({}, "{}"), ([], "[]"), ("a\ud800ö", '"a\\ud800\\u00f6"'), ({"é": 1}, '{"é":1}')]
)
def test_values_that_are_no_text_are_kept_raw(sent: Any, raw: str) -> None:
    """An object, an array or a text with a lone surrogate is no text."""
    datum = coerced({"event_campaign": sent})
    assert datum["event_campaign"] is None
    assert datum["misfits"] == ["/event_campaign"]
    assert datum["extra"] == {"/event_campaign": raw}


@pytest.mark.parametrize("sent", ["text", 5, True, [1]])
def test_a_wrong_type_for_an_object_is_kept_raw(sent: Any) -> None:
    """In place of an object, anything but an object or null is a misfit, and is no action."""
    datum = coerced({"cart_viewed": sent})
    assert datum["cart_viewed"] is None
    assert datum["actions"] == []
    assert datum["misfits"] == ["/cart_viewed"]
    assert datum["extra"] == {"/cart_viewed": raw_json(sent)}


def test_products_keep_their_places() -> None:
    """In place of an item that is no object stands a product of nulls, and its raw JSON is kept."""
    datum = coerced({"products": [None, {"price": "7", "colour": "red"}, 3, {"quantity": Number("0.5")}]})
    assert [(item["price"], item["quantity"]) for item in datum["products"]] == [
        (None, None),
        (7, None),
        (None, None),
        (None, None),
    ]
    assert datum["products"][0] == dict.fromkeys(datum["products"][1])
    assert datum["misfits"] == ["/products/0", "/products/2", "/products/3/quantity"]
    assert datum["extra"] == {
        "/products/0": "null",
        "/products/1/colour": '"red"',
        "/products/2": "3",
        "/products/3/quantity": "0.5",
    }


@pytest.mark.parametrize(
    ("name", "sent", "kept"), [("ad", [], None), ("cart_viewed", [], None), ("products", {}, []), ("products", [], [])]
)
def test_phps_empty_values_are_nothing(name: str, sent: Any, kept: Any) -> None:
    """PHP writes an empty object as [] and an empty list, at times, as {}: null or empty, no misfit, no action."""
    datum = coerced({name: sent})
    assert datum[name] == kept
    assert (datum["misfits"], datum["extra"], datum["actions"]) == ([], {}, [])


def test_an_empty_array_among_products_is_a_product_of_nulls() -> None:
    """It is an empty object, and no misfit."""
    datum = coerced({"products": [[], {"price": 1}]})
    assert datum["products"][0] == dict.fromkeys(datum["products"][1])
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize("empty", [None, [], {}])
def test_another_channels_empty_object_is_nothing(empty: Any) -> None:
    """An empty value says nothing, so extra does not keep it."""
    assert coerced({"creator": empty}, "AdsEvent")["extra"] == {}


def test_products_with_integer_keys_are_a_list() -> None:
    """PHP's `json_encode` writes an array with a gap as an object: all its products fit, with no misfit."""
    datum = coerced({"products": {"0": {"quantity": 1}, "2": {"quantity": 2}}})
    assert [product["quantity"] for product in datum["products"]] == [1, 2]
    assert (datum["misfits"], datum["extra"], datum["actions"]) == ([], {}, ["products"])


def test_products_that_are_no_array_are_kept_raw() -> None:
    """An object where the array belongs is a misfit as a whole."""
    datum = coerced({"products": {"a": {}}})
    assert datum["products"] is None
    assert datum["extra"] == {"/products": '{"a":{}}'}


def test_another_channels_object_goes_to_extra() -> None:
    """An object that the channel's record has no field for is kept whole; a null one says nothing."""
    datum = coerced({"ad": {"ad_id": "1"}, "creator": {"creator_id": "2"}, "email": None}, "AdsEvent")
    assert datum["ad"]["ad_id"] == "1"
    assert "creator" not in datum
    assert datum["extra"] == {"/creator": '{"creator_id":"2"}'}
    assert datum["misfits"] == []


def test_unknown_fields_go_to_extra_at_any_depth() -> None:
    """Unknown names are JSON Pointers with RFC 6901's escapes; null is kept too, since nothing else mentions it."""
    datum = coerced({"a/b~c": 1, "": None, "ad": {"x": [Number("1.5"), None]}, "search_submitted": {"~": "é"}})
    assert datum["extra"] == {"/a~1b~0c": "1", "/": "null", "/ad/x": "[1.5,null]", "/search_submitted/~0": '"é"'}
    assert datum["misfits"] == []


@pytest.mark.parametrize("name", ["account", "position", "misfits", "extra", "actions"])
@pytest.mark.parametrize("value", ["mine", None])
def test_an_event_never_writes_our_fields(name: str, value: Any) -> None:
    """A field of the event that is named like one of ours goes to extra."""
    datum = coerced({name: value})
    assert datum["extra"] == {f"/{name}": raw_json(value)}
    assert datum.get(name) in (None, [], {f"/{name}": raw_json(value)})


def test_a_name_with_a_lone_surrogate_has_a_pointer() -> None:
    """Names that RFC 6901 has no form for differ from every other name."""
    assert token("\ud800") == "~ud800"
    assert token("~ud800") == "~0ud800"
    assert coerced({"\ud800": "\udc00"})["extra"] == {"/~ud800": '"\\udc00"'}


@pytest.mark.parametrize(
    ("event", "actions"),
    [
        (
            {"search_submitted": {"search_query": "shoe"}, "cart_viewed": {"total_quantity": 1}},
            ["cart_viewed", "search_submitted"],
        ),
        ({"checkout_completed": {}}, []),
        ({"checkout_completed": None}, []),
        ({"checkout_completed": {"total_price": 0, "currency": "", "other_order_id": None}}, []),
        ({"checkout_completed": {"total_price": Number("0.00"), "shop_currency_total_price": "0"}}, []),
        ({"checkout_completed": {"total_price": "", "currency": "", "other_order_id": ""}}, []),
        ({"cart_viewed": {"total_quantity": "", "total_price": ""}}, []),
        ({"checkout_completed": {"total_price": 0, "currency": "EUR"}}, ["checkout_completed"]),
        ({"checkout_completed": {"other_order_id": 0}}, ["checkout_completed"]),
        ({"checkout_completed": {"total_price": "free"}}, ["checkout_completed"]),
        ({"checkout_completed": {"new": 1}}, []),
        ({"checkout_completed": "text"}, []),
        ({"products": [{}, []]}, []),
        ({"products": [{}, {"price": 1}]}, ["products"]),
        ({"products": [None]}, ["products"]),
    ],
)
def test_actions_name_objects_with_content(event: dict[str, Any], actions: list[str]) -> None:
    """Null, empty texts and 0 are no content, a misfit is."""
    assert coerced(event)["actions"] == actions


@pytest.mark.parametrize(
    ("text", "iso_ms"),
    [
        ("2023-03-29 08:26:42", 1_680_078_402_000),
        ("20230329 08:26:42", 1_680_078_402_000),
        ("2023-03-29T08:26:42Z", 1_680_078_402_000),
        ("2023-03-29t08:26:42z", 1_680_078_402_000),
        ("2023-03-29 08:26:42.9", 1_680_078_402_900),
        ("2023-03-29 08:26:42.123999999", 1_680_078_402_123),
        ("2023-03-29 08:26:42+08:00", 1_680_049_602_000),
        ("2023-03-29 08:26:42 +0800", 1_680_049_602_000),
        ("2023-03-29 08:26:42-03", 1_680_089_202_000),
        ("2023/03/29 08:26:42", 1_680_078_402_000),
        ("2023-03-29 08:26:42 UTC", 1_680_078_402_000),
        ("2023-03-29 08:26:42.5 gmt", 1_680_078_402_500),
        (" 2023-03-29 08:26:42  ", 1_680_078_402_000),
        ("1680078402", 1_680_078_402_000),
        ("1680078402.1239", 1_680_078_402_123),
        ("1680078402123", 1_680_078_402_123),
        ("1680078402123.9", 1_680_078_402_123),
        ("1969-12-31 23:59:59.999", -1),
        ("0001-01-01 00:00:00", -62_135_596_800_000),
        ("9999-12-31 23:59:59", 253_402_300_799_000),
    ],
)
def test_times_are_read(text: str, iso_ms: int) -> None:
    """Both of the document's forms, with T, fractions and offsets; UTC where none is given."""
    assert moment(text, UTC) == iso_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2023-03-29",
        "20230329",
        "0",
        "16800784",
        "16800784021",
        "202303290826",
        "20230329082642",
        "-1680078402",
        "1680078402.",
        "0000-00-00 00:00:00",
        "2023-02-30 00:00:00",
        "2023-03-29 24:00:00",
        "2023-03-29 08:26:60",
        "2023-0329 08:26:42",
        "2023-03-29 08:26:42 CET",
        "2023-03-29 08:26:42+25:00",
        "٢٠٢٣-03-29 08:26:42",
        "0001-01-01 00:00:00+01:00",
        "9999-12-31 23:59:59-01:00",
    ],
)
def test_an_unreadable_time_keeps_its_text_and_is_a_misfit(text: str) -> None:
    """Drift of the API's times shows in the metric of misfits."""
    datum = coerced({"event_at": text})
    assert (datum["event_at"], datum["event_at_text"]) == (None, text)
    assert (datum["misfits"], datum["extra"]) == (["/event_at"], {"/event_at": raw_json(text)})


@pytest.mark.parametrize("sent", [1680078402, Number("1680078402.0"), Number("1.680078402e9"), 1680078402000])
def test_unix_times_may_be_numbers(sent: Any) -> None:
    """Seconds and milliseconds are read, and the text is as sent."""
    datum = coerced({"event_at": sent})
    assert (datum["event_at"], datum["event_at_text"]) == (1_680_078_402_000, str(sent))
    assert (datum["misfits"], datum["extra"]) == ([], {})


@pytest.mark.parametrize("sent", [{"date": "x"}, [], True, "\ud800"])
def test_a_time_that_is_no_text_or_number_is_a_misfit(sent: Any) -> None:
    """Only a text or a number is read as a time; anything else is kept raw."""
    datum = coerced({"event_at": sent})
    assert (datum["event_at"], datum["event_at_text"]) == (None, None)
    assert datum["misfits"] == ["/event_at"]
    assert datum["extra"] == {"/event_at": raw_json(sent)}


def test_the_zone_applies_where_no_offset_is_given() -> None:
    """A text without offset is local time of the zone; an offset in the text wins."""
    shanghai = ZoneInfo("Asia/Shanghai")
    assert moment("2023-03-29 08:26:42", shanghai) == 1_680_049_602_000
    assert moment("2023-03-29 08:26:42Z", shanghai) == 1_680_078_402_000
    assert moment("0001-01-01 00:00:00", timezone(timedelta(hours=8))) is None


def test_an_unreadable_value_is_a_misfit_and_keeps_its_text() -> None:
    """It fits no field; inside an unknown field it stays in its place."""
    odd = Unreadable("NaN")
    datum = coerced({"event_id": odd, "ad": odd, "products": [odd], "new": {"a": [odd, 1]}})
    assert (datum["event_id"], datum["ad"]) == (None, None)
    assert datum["misfits"] == ["/event_id", "/products/0", "/ad"]
    assert datum["extra"] == {"/event_id": "NaN", "/ad": "NaN", "/products/0": "NaN", "/new": '{"a":[NaN,1]}'}
