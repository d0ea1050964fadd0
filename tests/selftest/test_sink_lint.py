"""The rules for schemas find what they are there for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.sink_lint import MONEY, TIMESTAMP, complaints


def record(*fields: dict[str, Any], name: str = "Outer", doc: str | None = "A record.") -> dict[str, Any]:
    """A schema with these fields."""
    return {"type": "record", "name": name, "namespace": "journeys.v1", "fields": [*fields], "doc": doc}


def field(avro_type: Any, name: str = "field", doc: str = "A field.") -> dict[str, Any]:
    """A field whose default is null, whatever its type."""
    return {"name": name, "type": avro_type, "default": None, "doc": doc}


def test_a_good_schema_has_no_complaint() -> None:
    """Each type and shape that our schemas may use passes."""
    items = {"type": "array", "items": record(field(["null", MONEY], "price"), name="Inner")}
    good = record(
        {"name": "account", "type": "string", "doc": "No default."},
        field(["null", TIMESTAMP], "event_at"),
        field(["null", items], "products"),
        field({"type": "map", "values": "string"}, "extra"),
        field("boolean"),
    )
    assert complaints(good) == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (record(doc=None), "Outer: no doc"),
        (record(field("long", doc="")), "Outer.field: no doc"),
        (record({"name": "field", "type": "long", "doc": "A field."}), "Outer.field: no default"),
        (
            record(field(["null", record({"name": "order_id", "type": "long", "doc": "A field."}, name="B")])),
            "Outer.field.order_id: no default",
        ),
        (
            record({"name": "field", "type": ["null", "long"], "default": 0, "doc": "A field."}),
            "Outer.field: may be null, but null is not its default",
        ),
        (
            record(field({"type": "array", "items": ["null", "string"]})),
            "Outer.field: an array with null items",
        ),
        (
            record(field(["null", "string", "long"])),
            "Outer.field: a union of anything but null and one type",
        ),
        (record(field(["string", "null"])), "Outer.field: a union of anything but null and one type"),
        (
            record(field({"type": "map", "values": record(name="Inner")})),
            "Outer.field: a map of anything but plain values",
        ),
        (record(field("double")), "Outer.field: type double"),
        (
            record(field({"type": "long", "logicalType": "timestamp-micros"})),
            "Outer.field: type {'type': 'long', 'logicalType': 'timestamp-micros'}",
        ),
        (record(field(["null", "long"], "total_price")), "Outer.total_price: money, but no decimal(38, 9)"),
        (record(field("long", "fetched_at")), "Outer.fetched_at: a time, but no timestamp-millis"),
        (record(field("long", "a"), field("long", "A")), "field of Outer: a twice, but for case"),
        (record(field(record(name="OUTER"))), "type: outer twice, but for case"),
        (
            record(field(record(field({"type": "array", "items": {"type": "array", "items": "long"}}), name="B"))),
            "Outer.field.field: deeper than 3 levels",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_place(bad: dict[str, Any], complaint: str) -> None:
    """One rule is broken in each schema, and only that is reported."""
    assert complaints(bad) == [complaint]
