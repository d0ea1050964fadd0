"""Foreign schemas by which a small body would exhaust the memory or the stack."""

from __future__ import annotations

import json

import pytest

from journeys.avro.schema import foreign


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
def test_a_schema_of_unlimited_depth_is_refused(definition: object) -> None:
    """The reader, fastavro, recurses in C without a guard: a deep body would end the process."""
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
def test_items_of_too_few_bytes_are_refused(items: object) -> None:
    """Six bytes could claim 2^31 such items."""
    with pytest.raises(ValueError, match="too few bytes"):
        decoded(record("R", {"type": "array", "items": items}), b"\x80\x80\x80\x80\x10\x00")


def test_a_map_of_nulls_is_bounded_by_its_keys() -> None:
    """Each key takes at least one byte."""
    assert decoded({"type": "map", "values": "null"}, b"\x02\x02a\x00") == {"a": None}


@pytest.mark.parametrize("after", [[], [{"type": "fixed", "name": "F", "size": 2**40}]], ids=["none", "many bytes"])
def test_records_that_double_at_each_level_are_refused(after: list[object]) -> None:
    """Forty levels make 2^40 values of no bytes, before the reader misses the bytes that come after."""
    levels = [record("R0"), *(record(f"R{level}", f"R{level - 1}", f"R{level - 1}") for level in range(1, 40))]
    with pytest.raises(ValueError, match="decode to too many values"):
        decoded([*levels, record("Bomb", "R39", *after)], b"\x50")
