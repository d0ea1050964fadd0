"""Both encoders against fastavro's writer and validator, for each of our schemas and for random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any, TypeAlias

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.encoders import ENCODERS

from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.encoding.body import Encode
from journeys.producer.encoding.validate import SchemaMismatch

Encoder: TypeAlias = Callable[[Mapping[str, Any]], Encode]

thorough = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-3000, 3000)
texts = st.text(max_size=6) | st.sampled_from([31, 2047, 2048, 2049, 20_000]).map("ö".__mul__)
ascii_texts = st.sampled_from([0, 1, 63, 64, 2047, 2048, 20_000]).map("a".__mul__)
names = st.sampled_from(["a", "v0", "datum", "n", "join", "class", "é'\"\\\n{}"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Decimals that fit, some of them where a byte more is needed."""
    most = 10**precision - 1
    edges = st.integers(0, 125).map(lambda bits: min(2**bits, most)).flatmap(lambda edge: st.integers(edge - 1, edge))
    numbers = st.integers(-most, most) | edges | edges.map(int.__neg__)
    return numbers.map(lambda number: Decimal(f"{number}E-{scale}"))


def with_bytes(value: Any) -> Any:
    """The datum with each Decimal as the fewest bytes that hold it; fastavro pads some negative ones."""
    if isinstance(value, dict):
        return {name: with_bytes(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if not isinstance(value, Decimal):
        return value
    number = int(Context(prec=60).scaleb(value, -int(value.as_tuple().exponent)))
    size = next(size for size in range(1, 20) if -(2 ** (8 * size - 1)) <= number < 2 ** (8 * size - 1))
    return number.to_bytes(size, "big", signed=True)


def values_of(avro_type: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type."""
    values: st.SearchStrategy[Any]
    match avro_type:
        case str():
            known = {"null": st.none(), "string": texts | ascii_texts, "long": longs, "boolean": st.booleans()}
            values = known[avro_type]
        case list():
            values = st.one_of([values_of(branch) for branch in avro_type])
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            values = decimals(precision, scale)
        case {"type": "array", "items": items}:
            values = st.lists(values_of(items), max_size=3)
        case {"type": "map", "values": inner}:
            values = st.dictionaries(texts, values_of(inner), max_size=3)
        case {"type": "record", "fields": fields}:
            values = st.fixed_dictionaries({field["name"]: values_of(field["type"]) for field in fields})
        case _:
            values = values_of(avro_type["type"])
    return values


def _has_decimal(avro_type: Any) -> bool:
    """Whether a type holds a decimal, whose default Avro spells as a text."""
    return "'decimal'" in repr(avro_type)


@st.composite
def random_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A record of any of the types that the encoders know, at any depth; names are hostile, and repeat."""
    numbers = itertools.count()

    def nullable(avro_type: Any) -> Any:
        return ["null", avro_type] if draw(st.booleans()) else avro_type

    def type_of(depth: int) -> Any:
        choice = draw(
            st.sampled_from(
                ["string", "long", "boolean", "time", "decimal", *(["array", "map", "record"] * (depth > 0))]
            )
        )
        if choice == "time":
            return {"type": "long", "logicalType": "timestamp-millis"}
        if choice == "decimal":
            precision = draw(st.integers(1, 38))
            scale = draw(st.integers(0, precision))
            return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        if choice == "array":
            return {"type": "array", "items": nullable(type_of(depth - 1))}
        if choice == "map":
            return {"type": "map", "values": nullable(type_of(depth - 1))}
        return record(depth - 1) if choice == "record" else choice

    def record(depth: int) -> dict[str, Any]:
        fields = [field(name, depth) for name in draw(st.lists(names, max_size=4, unique=True))]
        return {"type": "record", "name": f"R{next(numbers)}", "namespace": "n", "fields": fields}

    def field(name: str, depth: int) -> dict[str, Any]:
        avro_type = nullable(type_of(depth))
        default = draw(values_of(avro_type[0] if isinstance(avro_type, list) else avro_type))
        return {"name": name, "type": avro_type} | (
            {"default": default} if draw(st.booleans()) and not _has_decimal(avro_type) else {}
        )

    return record(2)


def spoilt(draw: Callable[..., Any], value: Any) -> Any:
    """The value with something in it replaced, taken away or added."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(any_json)
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoilt(draw, value[place]), *value[place + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    rest = {key: item for key, item in value.items() if key != name}
    match draw(st.sampled_from(["change", "change", "lose", "add"])):
        case "lose":
            return rest
        case "add":
            return value | {"unknown": draw(any_json)}
    return rest | {name: spoilt(draw, value[name])}


def is_valid(schema: dict[str, Any], datum: Any) -> bool:
    """Whether fastavro accepts the datum: its validator, and its writer, which refuses lone surrogates too."""
    if not fastavro.validate(datum, schema, raise_errors=False):
        return False
    try:
        Schema(schema).encode(datum)
    except (ValueError, TypeError, AttributeError):  # a lone surrogate; a datum that is no object
        return False
    return True


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("record", schemas.RECORDS.values())
@thorough
@given(data=st.data())
def test_our_schemas_encode_to_fastavros_bytes(record: str, data: st.DataObject, encoder: Encoder) -> None:
    """Every datum of each of our schemas has the bytes that fastavro gives it."""
    schema = schemas.load(record)
    datum = data.draw(values_of(schema))
    assert encoder(schema)(datum) == Schema(schema).encode(with_bytes(datum))


@pytest.mark.parametrize("encoder", ENCODERS)
@settings(thorough, max_examples=200)
@given(data=st.data())
def test_random_schemas_encode_to_fastavros_bytes(data: st.DataObject, encoder: Encoder) -> None:
    """Names, depth and defaults do not matter."""
    schema = data.draw(random_schemas())
    datum = data.draw(values_of(schema))
    assert encoder(schema)(datum) == Schema(schema).encode(with_bytes(datum))


@pytest.mark.parametrize("encoder", ENCODERS)
@settings(thorough, max_examples=150)
@given(data=st.data())
def test_the_encoder_refuses_exactly_what_fastavro_refuses(data: st.DataObject, encoder: Encoder) -> None:
    """A datum that is wrong somewhere has no bytes; one that lacks or adds a field has fastavro's."""
    schema = data.draw(random_schemas() | st.sampled_from(list(schemas.RECORDS.values())).map(schemas.load))
    datum = spoilt(data.draw, data.draw(values_of(schema)))
    body = encoder(schema)
    if is_valid(schema, datum):
        assert body(datum) == Schema(schema).encode(with_bytes(datum))
    else:
        with pytest.raises(SchemaMismatch):
            body(datum)


@pytest.mark.parametrize("encoder", ENCODERS)
@settings(max_examples=500)
@given(value=decimals(38, 9))
def test_decimals_equal_fastavros_by_value(value: Decimal, encoder: Encoder) -> None:
    """Fastavro pads some negative decimals by a byte; read back, both are the same."""
    field = {"name": "value", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}}
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": [field]}
    ours, theirs = encoder(schema)({"value": value}), Schema(schema).encode({"value": value})
    assert Schema(schema).decode(ours) == Schema(schema).decode(theirs) == {"value": value}
    assert len(ours) <= len(theirs)
