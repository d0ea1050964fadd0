"""The slow check of a datum: which value does not fit its schema, and why."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from journeys.producer.encoding.validate import Normalizer, SchemaMismatch

ITEM = {
    "type": "record",
    "name": "Item",
    "namespace": "n",
    "fields": [{"name": "sku", "type": "string"}, {"name": "count", "type": "long", "default": 1}],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "n",
    "fields": [
        {"name": "items", "type": {"type": "array", "items": ITEM}},
        {"name": "gift", "type": ["null", "n.Item"]},
        {"name": "notes", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
}


def test_a_normalized_datum_has_exactly_the_fields_of_its_schema() -> None:
    """Absent fields get their default, else null; unknown fields go; other mappings and sequences become plain."""
    datum = {"items": ({"sku": "a", "unknown": 1},), "notes": MappingProxyType({"k": "v"}), "more": 2}
    assert Normalizer(ORDER)(datum) == {"items": [{"sku": "a", "count": 1}], "gift": None, "notes": {"k": "v"}}


@pytest.mark.parametrize(
    ("datum", "path", "why"),
    [
        ([], "", "an object is wanted, not list"),
        ({}, "items", "the field is missing, and may not be null"),
        ({"items": {}}, "items", "an array is wanted, not dict"),
        ({"items": [{"sku": "a"}, {"sku": None}]}, "items[1].sku", "a text is wanted, not null"),
        ({"items": [], "gift": {"sku": "a", "count": 2**63}}, "gift.count", "the integer has more than 64 bits"),
        ({"items": [], "notes": {"private": 5}}, "notes[0]", "a text is wanted, not int"),
    ],
)
def test_a_mismatch_names_path_and_types_and_never_a_value(datum: object, path: str, why: str) -> None:
    """Map keys may be personal data, so the path holds the entry's index."""
    with pytest.raises(SchemaMismatch) as found:
        Normalizer(ORDER)(datum)
    assert found.value.path == path
    assert str(found.value) == f"{path or 'the datum'}: {why}"
