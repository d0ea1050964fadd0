"""Both encoders of a datum: what they write, what they refuse, and the text of a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

import pytest
from tests.support.encoders import ENCODERS, needs_native

from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.encoding.body import Encode, in_c
from journeys.producer.encoding.validate import SchemaMismatch

encoders = pytest.mark.parametrize("encoder", ENCODERS)
Encoder: TypeAlias = Callable[[Mapping[str, Any]], Encode]


MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}


def record_of(avro_type: Any) -> dict[str, Any]:
    """A record with one field `value` of a type."""
    return {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "value", "type": avro_type}]}


@pytest.mark.parametrize("avro_type", ["double", "bytes", "n.Unknown", ["string", "null"], ["null", "long", "string"]])
@needs_native
def test_unknown_avro_types_are_refused_when_the_encoder_is_made(avro_type: Any) -> None:
    """A schema with a type that the encoder does not know fails at start, not in a journey."""
    with pytest.raises(ValueError, match="no encoder"):
        in_c(record_of(avro_type))


@pytest.mark.parametrize(
    ("avro_type", "value", "why"),
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
        (MONEY, 5, "value: a Decimal is wanted, not int"),
        (["null", MONEY], "5", "value: a Decimal is wanted, not str"),
        (MONEY, Decimal("0.001"), "value: the Decimal has more digits than the schema allows"),
        (MONEY, Decimal(1000), "value: the Decimal has more digits than the schema allows"),
        (MONEY, Decimal("NaN"), "value: the Decimal has more digits than the schema allows"),
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
@encoders
def test_a_schema_mismatch_names_the_field_and_never_the_value(
    avro_type: Any, value: Any, why: str, encoder: Encoder
) -> None:
    """The path leads to the field; of the value, the error holds only its type."""
    body = encoder(record_of(avro_type))
    with pytest.raises(SchemaMismatch) as refused:
        body({"value": value})
    assert str(refused.value) == why
    assert refused.value.path == why.partition(":")[0]


@pytest.mark.parametrize("datum", [None, [], "text", 5])
@encoders
def test_a_datum_that_is_no_object_is_refused(datum: Any, encoder: Encoder) -> None:
    """A record without fields refuses it too."""
    for schema in (record_of("long"), record_of("long") | {"fields": []}):
        with pytest.raises(SchemaMismatch, match="the datum: an object is wanted"):
            encoder(schema)(datum)


@encoders
def test_a_schema_mismatch_deep_in_an_event_names_its_path(encoder: Encoder) -> None:
    """The path of an item in an array of objects holds its index."""
    datum = dict.fromkeys(("account", "edition", "order_id"), "x") | {"position": 0, "journey_size": 1, "fetched_at": 0}
    with pytest.raises(SchemaMismatch) as refused:
        encoder(schemas.load("AdsEvent"))(datum | {"products": [{}, {"price": 129.99}]})
    assert refused.value.path == "products[1].price"


@encoders
def test_absent_fields_take_their_default_and_unknown_ones_are_left_out(encoder: Encoder) -> None:
    """Both encoders follow fastavro here."""
    fields = [
        {"name": "one", "type": "long", "default": 7},
        {"name": "two", "type": ["null", "string"]},
        {"name": "three", "type": {"type": "array", "items": "string"}, "default": ["a"]},
    ]
    body = encoder({"type": "record", "name": "R", "namespace": "n", "fields": fields})
    assert body({}) == b"\x0e\x00\x02\x02a\x00"
    assert body({"one": 0, "two": None, "three": [], "four": 4}) == b"\x00\x00\x00"


@encoders
def test_other_types_of_the_same_kind_are_taken(encoder: Encoder) -> None:
    """A tuple serves as an array, a subclass of dict or str as the type itself."""

    class Word(StrEnum):
        ONE = "é"

    kinds = {"a": {"type": "array", "items": "string"}, "m": {"type": "map", "values": "long"}, "s": "string"}
    fields = [{"name": name, "type": avro_type} for name, avro_type in kinds.items()]
    body = encoder({"type": "record", "name": "R", "namespace": "n", "fields": fields})
    assert body({"a": ("x",), "m": Counter(["y"]), "s": Word.ONE}) == b"\x02\x02x\x00\x02\x02y\x02\x00\x04\xc3\xa9"


@encoders
def test_a_record_used_twice_is_written_twice(encoder: Encoder) -> None:
    """A reference by name is written as the definition is."""
    inner = record_of("long")
    twice = {"type": "record", "name": "T", "namespace": "n"}
    fields = [{"name": "one", "type": inner}, {"name": "two", "type": ["null", "n.R"]}]
    assert encoder(twice | {"fields": fields})({"one": {"value": 1}, "two": {"value": -1}}) == b"\x02\x02\x01"


@encoders
def test_a_record_may_hold_itself(encoder: Encoder) -> None:
    """A linked list ends in null."""
    fields = [{"name": "size", "type": "long"}, {"name": "next", "type": ["null", "n.R"]}]
    body = encoder({"type": "record", "name": "R", "namespace": "n", "fields": fields})
    assert body({"size": 1, "next": {"size": 2, "next": None}}) == b"\x02\x02\x04\x00"
    with pytest.raises(SchemaMismatch) as refused:
        body({"size": 1, "next": {"size": 2, "next": {"size": None}}})
    assert refused.value.path == "next.next.size"


@encoders
def test_a_record_without_end_is_refused_as_too_deep(encoder: Encoder) -> None:
    """A datum deeper than the stack raises RecursionError; the process lives on, and the next datum is written."""
    fields = [{"name": "next", "type": ["null", "n.R"]}]
    body = encoder({"type": "record", "name": "R", "namespace": "n", "fields": fields})
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
@encoders
def test_a_long_is_written_as_avro_says(
    edge: int, logical: dict[str, str], encoder: Encoder, *, is_nullable: bool
) -> None:
    """Numbers on both sides of each length of a varint have fastavro's bytes."""
    avro_type = {"type": "long", **logical}
    schema = record_of(["null", avro_type] if is_nullable else avro_type)
    for number in (edge - 1, edge, edge + 1, -edge, -edge - 1):
        assert encoder(schema)({"value": number}) == Schema(schema).encode({"value": number})


@encoders
@pytest.mark.parametrize(
    ("number", "body"),
    [
        ("0", b"\x02\x00"),
        ("1.27", b"\x02\x7f"),
        ("1.28", b"\x04\x00\x80"),
        ("-1.28", b"\x02\x80"),
        ("-1.29", b"\x04\xff\x7f"),
        ("999.99", b"\x06\x01\x86\x9f"),
    ],
)
def test_a_decimal_is_written_in_the_fewest_bytes(number: str, body: bytes, encoder: Encoder) -> None:
    """A size, then the unscaled value in two's complement; fastavro reads the same value."""
    schema = record_of(MONEY)
    assert encoder(schema)({"value": Decimal(number)}) == body
    assert Schema(schema).decode(body) == {"value": Decimal(number)}
