"""The compiled writers against the general one, for every schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys import avro
from journeys.producer import schemas
from journeys.producer.body import compiled

longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-3000, 3000)
texts = st.text(max_size=6) | st.sampled_from([31, 2047, 2048, 2049, 20_000]).map("ö".__mul__)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type."""
    if isinstance(kind, list):
        return st.one_of([values_of(branch) for branch in kind])
    if isinstance(kind, str):
        return {"null": st.none(), "string": texts, "long": longs, "boolean": st.booleans()}[kind]
    if kind["type"] == "array":
        return st.lists(values_of(kind["items"]), max_size=3)
    if kind["type"] == "map":
        return st.dictionaries(texts, values_of(kind["values"]), max_size=3)
    if kind["type"] == "record":
        return st.fixed_dictionaries({field["name"]: values_of(field["type"]) for field in kind["fields"]})
    return values_of(kind["type"])


@pytest.mark.parametrize("record", schemas.RECORDS.values())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_both_writers_give_the_same_bytes(record: str, data: st.DataObject) -> None:
    """Every datum of every schema has one encoding."""
    schema = schemas.load(record)
    datum = data.draw(values_of(schema))
    assert compiled(schema)(datum) == avro.Schema(schema).encode(datum)
