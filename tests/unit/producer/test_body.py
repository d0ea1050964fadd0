"""What the compiled writers refuse."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.producer.body import compiled


def record_of(kind: Any) -> dict[str, Any]:
    """A record with one field `value` of a type."""
    return {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "value", "type": kind}]}


@pytest.mark.parametrize("kind", ["double", "bytes", "n.Unknown", ["string", "null"], ["null", "long", "string"]])
def test_a_type_that_no_schema_of_ours_uses_has_no_writer(kind: Any) -> None:
    """A schema that grows beyond what is known here fails when it is compiled, not in a journey."""
    with pytest.raises(ValueError, match="no writer"):
        compiled(record_of(kind))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_an_integer_beyond_64_bits_is_refused(number: int) -> None:
    """It would be read back as another number."""
    with pytest.raises(OverflowError):
        compiled(record_of("long"))({"value": number})


def test_a_record_used_twice_is_written_twice() -> None:
    """A reference by name writes as the definition does."""
    inner = record_of("long")
    twice = {"type": "record", "name": "T", "namespace": "n"}
    fields = [{"name": "one", "type": inner}, {"name": "two", "type": ["null", "n.R"]}]
    assert compiled(twice | {"fields": fields})({"one": {"value": 1}, "two": {"value": -1}}) == b"\x02\x02\x01"
