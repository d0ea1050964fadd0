"""Our encoders against fastavro's own, for every schema of ours and for random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.encoders import NATIVE

from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.encoding.body import Body
from journeys.producer.encoding.validate import Unfit

thorough = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
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


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type."""
    if isinstance(kind, list):
        return st.one_of([values_of(branch) for branch in kind])
    if isinstance(kind, str):
        known = {"null": st.none(), "string": texts | ascii_texts, "long": longs, "boolean": st.booleans()}
        return known[kind]
    if kind["type"] == "array":
        return st.lists(values_of(kind["items"]), max_size=3)
    if kind["type"] == "map":
        return st.dictionaries(texts, values_of(kind["values"]), max_size=3)
    if kind["type"] == "record":
        return st.fixed_dictionaries({field["name"]: values_of(field["type"]) for field in kind["fields"]})
    return values_of(kind["type"])


@st.composite
def random_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A record of any of the types that an encoder is generated for, at any depth; names are hostile, and repeat."""
    numbers = itertools.count()

    def nullable(kind: Any) -> Any:
        return ["null", kind] if draw(st.booleans()) else kind

    def kind_of(depth: int) -> Any:
        choice = draw(
            st.sampled_from(["string", "long", "boolean", "time", *(["array", "map", "record"] * (depth > 0))])
        )
        if choice == "time":
            return {"type": "long", "logicalType": "timestamp-millis"}
        if choice == "array":
            return {"type": "array", "items": nullable(kind_of(depth - 1))}
        if choice == "map":
            return {"type": "map", "values": nullable(kind_of(depth - 1))}
        return record(depth - 1) if choice == "record" else choice

    def record(depth: int) -> dict[str, Any]:
        fields = [field(name, depth) for name in draw(st.lists(names, max_size=4, unique=True))]
        return {"type": "record", "name": f"R{next(numbers)}", "namespace": "n", "fields": fields}

    def field(name: str, depth: int) -> dict[str, Any]:
        kind = nullable(kind_of(depth))
        default = draw(values_of(kind[0] if isinstance(kind, list) else kind))
        return {"name": name, "type": kind} | ({"default": default} if draw(st.booleans()) else {})

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


def is_right(schema: dict[str, Any], datum: Any) -> bool:
    """Whether fastavro finds the datum right: its validator, and its writer, which minds lone surrogates too."""
    if not fastavro.validate(datum, schema, raise_errors=False):
        return False
    try:
        Schema(schema).encode(datum)
    except (ValueError, TypeError, AttributeError):  # a lone surrogate; a datum that is no object
        return False
    return True


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("record", schemas.RECORDS.values())
@thorough
@given(data=st.data())
def test_our_schemas_encode_to_fastavros_bytes(record: str, data: st.DataObject, *, native: bool) -> None:
    """Every datum of each of our schemas has the bytes that fastavro gives it."""
    schema = schemas.load(record)
    datum = data.draw(values_of(schema))
    assert Body(schema, native=native)(datum) == Schema(schema).encode(datum)


@pytest.mark.parametrize("native", NATIVE)
@settings(thorough, max_examples=200)
@given(data=st.data())
def test_random_schemas_encode_to_fastavros_bytes(data: st.DataObject, *, native: bool) -> None:
    """Names, depth and defaults do not matter."""
    schema = data.draw(random_schemas())
    datum = data.draw(values_of(schema))
    assert Body(schema, native=native)(datum) == Schema(schema).encode(datum)


@pytest.mark.parametrize("native", NATIVE)
@settings(thorough, max_examples=300)
@given(data=st.data())
def test_the_encoder_refuses_exactly_what_fastavro_refuses(data: st.DataObject, *, native: bool) -> None:
    """A datum that is wrong somewhere has no bytes; one that lacks or adds a field has fastavro's."""
    schema = data.draw(random_schemas() | st.sampled_from(list(schemas.RECORDS.values())).map(schemas.load))
    datum = spoilt(data.draw, data.draw(values_of(schema)))
    body = Body(schema, native=native)
    if is_right(schema, datum):
        assert body(datum) == Schema(schema).encode(datum)
    else:
        with pytest.raises(Unfit):
            body(datum)
