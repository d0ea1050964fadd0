"""What encoders refuse, and how they say so."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Any

import pytest
from tests.support.encoders import NATIVE

from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.encoding.body import Body
from journeys.producer.encoding.validate import Unfit

pytestmark = pytest.mark.parametrize("native", NATIVE)


def record_of(kind: Any) -> dict[str, Any]:
    """A record with one field `value` of a type."""
    return {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "value", "type": kind}]}


@pytest.mark.parametrize("kind", ["double", "bytes", "n.Unknown", ["string", "null"], ["null", "long", "string"]])
def test_a_type_that_no_schema_of_ours_uses_has_no_encoder(kind: Any, *, native: bool) -> None:
    """A schema that grows beyond what is known here fails when its encoder is made, not in a journey."""
    with pytest.raises(ValueError, match="no encoder"):
        Body(record_of(kind), native=native)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("long", 2**63, "value: the integer has more than 64 bits"),
        ("long", -(2**63) - 1, "value: the integer has more than 64 bits"),
        ("long", True, "value: an integer is wanted, not bool"),
        ("long", 1.0, "value: an integer is wanted, not float"),
        ("long", None, "value: an integer is wanted, not null"),
        (["null", "long"], "5", "value: an integer is wanted, not str"),
        ("string", b"text", "value: a text is wanted, not bytes"),
        ("string", b"", "value: a text is wanted, not bytes"),
        ("string", "\ud800", "value: a text with a lone surrogate has no form in UTF-8"),
        (["null", "string"], 5, "value: a text is wanted, not int"),
        ("boolean", 1, "value: a boolean is wanted, not int"),
        ({"type": "array", "items": "string"}, "abc", "value: an array is wanted, not str"),
        ({"type": "array", "items": "string"}, {}, "value: an array is wanted, not dict"),
        ({"type": "array", "items": "string"}, ["a", 5], "value[1]: a text is wanted, not int"),
        ({"type": "map", "values": "long"}, [], "value: a map is wanted, not list"),
        ({"type": "map", "values": "long"}, {"private": 1, "key": "x"}, "value[1]: an integer is wanted, not str"),
        ({"type": "map", "values": "long"}, {5: 1}, "value[0]: a text is wanted, not int"),
        (record_of("long") | {"name": "Inner"}, [], "value: an object is wanted, not list"),
        (record_of("long") | {"name": "Inner"}, {"value": "x"}, "value.value: an integer is wanted, not str"),
        (record_of("long") | {"name": "Inner"}, {}, "value.value: the field is missing, and may not be null"),
    ],
)
def test_a_refusal_names_the_field_and_never_the_value(kind: Any, value: Any, why: str, *, native: bool) -> None:
    """The path leads to the field; of the value, only its type is told."""
    body = Body(record_of(kind), native=native)
    with pytest.raises(Unfit) as refused:
        body({"value": value})
    assert str(refused.value) == why
    assert refused.value.path == why.partition(":")[0]


@pytest.mark.parametrize("datum", [None, [], "text", 5])
def test_a_datum_that_is_no_object_is_refused(datum: Any, *, native: bool) -> None:
    """Also where the record has no fields to miss in it."""
    for schema in (record_of("long"), record_of("long") | {"fields": []}):
        with pytest.raises(Unfit, match="the datum: an object is wanted"):
            Body(schema, native=native)(datum)


def test_a_refusal_deep_in_an_event_names_its_path(*, native: bool) -> None:
    """In our own schemas: an item of an array of objects."""
    datum = dict.fromkeys(("account", "edition", "order_id"), "x") | {"position": 0, "journey_size": 1, "fetched_at": 0}
    with pytest.raises(Unfit) as refused:
        Body(schemas.load("AdsEvent"), native=native)(datum | {"products": [None, {"price": 129.99}]})
    assert refused.value.path == "products[1].price"


def test_absent_fields_take_their_default_and_unknown_ones_are_left_out(*, native: bool) -> None:
    """As fastavro has it."""
    fields = [
        {"name": "one", "type": "long", "default": 7},
        {"name": "two", "type": ["null", "string"]},
        {"name": "three", "type": {"type": "array", "items": "string"}, "default": ["a"]},
    ]
    body = Body({"type": "record", "name": "R", "namespace": "n", "fields": fields}, native=native)
    assert body({}) == b"\x0e\x00\x02\x02a\x00"
    assert body({"one": 0, "two": None, "three": [], "four": 4}) == b"\x00\x00\x00"


def test_other_types_of_the_same_kind_are_taken(*, native: bool) -> None:
    """A tuple for an array, a subclass of dict, str or int: what the standard library makes of them."""

    class Word(StrEnum):
        ONE = "é"

    kinds = {"a": {"type": "array", "items": "string"}, "m": {"type": "map", "values": "long"}, "s": "string"}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    body = Body({"type": "record", "name": "R", "namespace": "n", "fields": fields}, native=native)
    assert body({"a": ("x",), "m": Counter(["y"]), "s": Word.ONE}) == b"\x02\x02x\x00\x02\x02y\x02\x00\x04\xc3\xa9"


def test_a_record_used_twice_is_written_twice(*, native: bool) -> None:
    """A reference by name writes as the definition does."""
    inner = record_of("long")
    twice = {"type": "record", "name": "T", "namespace": "n"}
    fields = [{"name": "one", "type": inner}, {"name": "two", "type": ["null", "n.R"]}]
    assert (
        Body(twice | {"fields": fields}, native=native)({"one": {"value": 1}, "two": {"value": -1}}) == b"\x02\x02\x01"
    )


def test_a_record_may_hold_itself(*, native: bool) -> None:
    """A tree: null ends it."""
    fields = [{"name": "size", "type": "long"}, {"name": "next", "type": ["null", "n.R"]}]
    body = Body({"type": "record", "name": "R", "namespace": "n", "fields": fields}, native=native)
    assert body({"size": 1, "next": {"size": 2, "next": None}}) == b"\x02\x02\x04\x00"
    with pytest.raises(Unfit) as refused:
        body({"size": 1, "next": {"size": 2, "next": {"size": None}}})
    assert refused.value.path == "next.next.size"


def test_a_record_without_end_is_refused_as_too_deep(*, native: bool) -> None:
    """Deeper than the stack is: an error, no crash, and the next datum is written as ever."""
    fields = [{"name": "next", "type": ["null", "n.R"]}]
    body = Body({"type": "record", "name": "R", "namespace": "n", "fields": fields}, native=native)
    endless: dict[str, Any] = {"next": None}
    for _ in range(200_000):
        endless = {"next": endless}
    for _ in range(3):
        with pytest.raises(RecursionError):
            body(endless)
    assert body({"next": {"next": None}}) == b"\x02\x00"


@pytest.mark.parametrize("edge", [1, 1 << 6, 1 << 13, 1 << 14, 1 << 27, 1 << 33, 1 << 34, 1 << 41, 1 << 62])
@pytest.mark.parametrize("logical", [{}, {"logicalType": "timestamp-millis"}], ids=["number", "time"])
@pytest.mark.parametrize("is_nullable", [False, True])
def test_a_long_is_written_as_avro_says(edge: int, logical: dict[str, str], *, is_nullable: bool, native: bool) -> None:
    """On both sides of where a byte more is needed, and of where times are spelt out."""
    kind = {"type": "long", **logical}
    schema = record_of(["null", kind] if is_nullable else kind)
    for number in (edge - 1, edge, edge + 1, -edge, -edge - 1):
        assert Body(schema, native=native)({"value": number}) == Schema(schema).encode({"value": number})
