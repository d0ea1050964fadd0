"""The wire format, and values by their schema's id."""

from __future__ import annotations

import json

import pytest

from journeys.avro import wire
from journeys.avro.schema import Schema

LONG = Schema({"type": "long"})


def test_a_frame_is_undone() -> None:
    """The id comes back with the body, up to the largest."""
    for schema_id in (0, 1, 2**31 - 1):
        assert wire.unframe(wire.frame(schema_id, b"body")) == (schema_id, b"body")


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01", b"plain text", b"\xff" * 6])
def test_what_has_no_frame_is_told(value: bytes) -> None:
    """Too short, or another first byte: not the wire format."""
    with pytest.raises(ValueError, match="wire format"):
        wire.unframe(value)


@pytest.mark.parametrize("schema_id", [b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_an_id_that_no_registry_gives_is_told(schema_id: bytes) -> None:
    """A registry's ids have 31 bits; it would not take more for an id at all."""
    with pytest.raises(ValueError, match="no schema id"):
        wire.unframe(b"\x00" + schema_id + b"body")


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
def test_what_is_no_schema_is_told(definition: object) -> None:
    """A definition that Avro does not know is refused when it is parsed."""
    with pytest.raises(ValueError, match="not an Avro schema"):
        Schema(definition)


def test_each_schema_is_asked_for_once() -> None:
    """A decoder remembers schemas by id, and nothing of a failed look-up."""
    asked: list[int] = []

    def schema_of(schema_id: int) -> str:
        asked.append(schema_id)
        if len(asked) == 1:
            raise LookupError
        return '"long"'

    decoder = wire.Decoder(schema_of)
    value = wire.frame(9, LONG.encode(-5))
    with pytest.raises(LookupError):
        decoder.decode(value)
    assert [decoder.decode(value), decoder.decode(value)] == [-5, -5]
    assert asked == [9, 9]


@pytest.mark.parametrize("answer", [None, '{"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}'])
def test_an_id_that_comes_to_nothing_is_asked_for_once(answer: str | None) -> None:
    """Of all dead letters, a good part may have one that is unknown or refused."""
    asked: list[int] = []

    def schema_of(schema_id: int) -> str:
        asked.append(schema_id)
        if answer is None:
            raise ValueError("the registry knows no schema 9")
        return answer

    decoder = wire.Decoder(schema_of)
    for _ in range(2):
        with pytest.raises(ValueError, match="knows no schema 9" if answer is None else "holds itself"):
            decoder.decode(wire.frame(9, b""))
    assert asked == [9]


def decoded(definition: object, body: bytes) -> object:
    """What a decoder makes of a body whose writer registered this schema."""
    return wire.Decoder(lambda _: json.dumps(definition)).decode(wire.frame(1, body))


def record(name: str, *kinds: object) -> dict[str, object]:
    """A record with fields of these types."""
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{number}", "type": kind} for number, kind in enumerate(kinds)],
    }


def chain(levels: int) -> list[object]:
    """Records of which each holds the one before, in a text that is flat."""
    return [record("R0", "long"), *(record(f"R{level}", f"R{level - 1}") for level in range(1, levels))]


LIST = record("List", ["null", "List"])
FOREST = record("Tree", {"type": "array", "items": record("Branch", "string", {"type": "map", "values": "Tree"})})


@pytest.mark.parametrize(
    "definition",
    [LIST, FOREST, ["null", LIST], {"type": "map", "values": LIST}, chain(100), record("Outer", LIST, "List")],
    ids=["itself", "through others", "in a union", "in a map", "a long chain", "in another"],
)
def test_a_foreign_schema_without_a_bound_to_its_depth_is_refused(definition: object) -> None:
    """It is read in C, without a guard: a body that goes deep enough would end the process."""
    with pytest.raises(ValueError, match="holds itself, or has more than 100 levels"):
        decoded(definition, b"\x02" * 20)


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "null"},
        record("Empty"),
        {"type": "fixed", "name": "Nothing", "size": 0},
        record("Outer", record("Inner", "null"), "Inner"),
        record("Wide", *["null"] * 20, "long"),
    ],
    ids=["null", "a dict of null", "an empty record", "an empty fixed", "records of such", "hardly anything"],
)
def test_a_foreign_schema_whose_items_take_hardly_a_byte_is_refused(items: object) -> None:
    """Six bytes could claim 2^31 of them."""
    with pytest.raises(ValueError, match="too few bytes"):
        decoded(record("R", {"type": "array", "items": items}), b"\x80\x80\x80\x80\x10\x00")


def test_a_map_of_nothing_is_bounded_by_its_keys() -> None:
    """Each of them takes a byte at least."""
    assert decoded({"type": "map", "values": "null"}, b"\x02\x02a\x00") == {"a": None}


@pytest.mark.parametrize("after", [[], [{"type": "fixed", "name": "F", "size": 2**40}]], ids=["none", "many bytes"])
def test_a_foreign_schema_that_makes_much_of_nothing_is_refused(after: list[object]) -> None:
    """Records that hold others twice double them at each level, before the bytes that come after are missed."""
    levels = [record("R0"), *(record(f"R{level}", f"R{level - 1}", f"R{level - 1}") for level in range(1, 40))]
    with pytest.raises(ValueError, match="decode to too many values"):
        decoded([*levels, record("Bomb", "R39", *after)], b"\x50")


def test_marks_of_the_library_in_a_foreign_schema_mean_nothing() -> None:
    """By them, fastavro would take the types of the marks for those that were checked."""
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
def test_whatever_a_registry_holds_is_a_schema_or_a_value_error(text: str) -> None:
    """Never another error, which would count as a defect of ours."""
    with pytest.raises(ValueError):
        wire.Decoder(lambda _: text).decode(wire.frame(1, b"\x02"))


@pytest.mark.parametrize("precision", [5, 10**9, 10**30])
def test_decimals_of_foreign_schemas_stay_bytes(precision: int) -> None:
    """No order id is one, and to make a number of a long one takes minutes."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": precision}
    assert decoded(record("R", "long", decimal), b"\x0a\x06\x7f\xff\xff") == {"f0": 5, "f1": b"\x7f\xff\xff"}


def test_a_uuid_of_a_foreign_schema_is_the_text_that_was_written() -> None:
    """It may be an order id, whose digits and letters the API is asked for."""
    uuid = {"type": "string", "logicalType": "uuid"}
    text = b"2F1E3A60-1b9c-4a3e-9d2f-0123456789AB"
    assert decoded(record("R", uuid), bytes([2 * len(text)]) + text) == {"f0": text.decode()}


def test_an_ordinary_foreign_schema_is_read() -> None:
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
