"""Avro schemas, our own and foreign ones: what they decode, and what they refuse with a ValueError."""

from __future__ import annotations

import json

import pytest

from journeys.avro.schema import Schema, foreign

LONG = Schema({"type": "long"})


@pytest.mark.parametrize("body", [b"", b"\x02\x00", b"\xff\xff"])
def test_a_broken_body_is_a_value_error(body: bytes) -> None:
    """Empty, too long or cut off: one kind of error."""
    with pytest.raises(ValueError, match="Avro body"):
        LONG.decode(body)


def test_a_text_that_claims_more_than_there_is_is_a_value_error() -> None:
    """A length beyond the body's end, or below zero, is a broken body."""
    text = Schema({"type": "string"})
    for body in (b"\x0aab", b"\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        with pytest.raises(ValueError, match="Avro body"):
            text.decode(body)


@pytest.mark.parametrize("definition", ["nonsense", {"type": "record"}, {"type": "array"}, 5, None])
def test_an_unknown_definition_is_refused(definition: object) -> None:
    """A definition that Avro does not know is refused when it is parsed."""
    with pytest.raises(ValueError, match="not an Avro schema"):
        Schema(definition)


def decoded(definition: object, body: bytes) -> object:
    """A body decoded by a foreign schema."""
    return foreign(json.dumps(definition)).decode(body)


def record(name: str, *kinds: object) -> dict[str, object]:
    """A record with fields of these types."""
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{number}", "type": kind} for number, kind in enumerate(kinds)],
    }


def test_fastavros_own_keys_in_a_foreign_schema_are_ignored() -> None:
    """With these keys fastavro would use other types than the ones that were checked."""
    inner = record("Inner", "long")
    marked = {
        "type": "array",
        "items": record("Outer", inner, "Inner"),
        "__fastavro_parsed": True,
        "__named_schemas": {"Inner": record("Inner", "string")},
    }
    assert decoded(marked, b"\x02\x02\x04\x00") == [{"f0": {"f0": 1}, "f1": {"f0": 2}}]


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"array","items":' * 3000 + '"string"' + "}" * 3000,
        "".join(f'{{"type":"record","name":"R{n}","fields":[{{"name":"x","type":' for n in range(350))
        + '"string"'
        + "}]}" * 350,
        "[" * 100_000,
        '{"type":"fixed","name":"F","size":1e999,"logicalType":"decimal","precision":3}',
        f'{{"type":"fixed","name":"F","size":1{"0" * 400},"logicalType":"decimal","precision":3}}',
        "[]",
        "{}",
        "",
    ],
    ids=["arrays", "records", "no JSON", "infinite", "huge", "empty union", "empty object", "empty text"],
)
def test_any_text_is_a_schema_or_a_value_error(text: str) -> None:
    """Another error would count as a defect of ours."""
    with pytest.raises(ValueError):
        foreign(text).decode(b"\x02")


@pytest.mark.parametrize("precision", [5, 10**9, 10**30])
def test_decimals_of_foreign_schemas_stay_bytes(precision: int) -> None:
    """No order id is a decimal, and converting a long one takes minutes."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": precision}
    assert decoded(record("R", "long", decimal), b"\x0a\x06\x7f\xff\xff") == {"f0": 5, "f1": b"\x7f\xff\xff"}


def test_a_uuid_of_a_foreign_schema_stays_text() -> None:
    """It may be an order id, which the API must get as it was written."""
    uuid = {"type": "string", "logicalType": "uuid"}
    text = b"2F1E3A60-1b9c-4a3e-9d2f-0123456789AB"
    assert decoded(record("R", uuid), bytes([2 * len(text)]) + text) == {"f0": text.decode()}


def test_an_ordinary_foreign_schema_decodes() -> None:
    """With a null, an empty record, and a type that is used twice."""
    money = record("Money", "long", "string")
    state = {"type": "enum", "name": "State", "symbols": ["paid", "sent"]}
    line = record("Line", "string", money, ["null", "Money"])
    order = record("Order", "string", "null", record("Empty"), {"type": "array", "items": line}, state)
    assert decoded(order, b"\x06A-1\x02\x02x\x0a\x06EUR\x00\x00\x02") == {
        "f0": "A-1",
        "f1": None,
        "f2": {},
        "f3": [{"f0": "x", "f1": {"f0": 5, "f1": "EUR"}, "f2": None}],
        "f4": "sent",
    }
