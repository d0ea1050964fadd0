"""The wire format, and decoding by the id of a value's schema."""

from __future__ import annotations

import pytest

from journeys.avro import wire
from journeys.avro.schema import Schema

LONG = Schema({"type": "long"})


def test_a_framed_body_is_unframed() -> None:
    """The id comes back with the body, up to the largest."""
    for schema_id in (0, 1, 2**31 - 1):
        assert wire.unframe(wire.frame(schema_id, b"body")) == (schema_id, b"body")


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01", b"plain text", b"\xff" * 6])
def test_a_value_without_a_frame_is_refused(value: bytes) -> None:
    """Too short, or another first byte: not the wire format."""
    with pytest.raises(ValueError, match="wire format"):
        wire.unframe(value)


@pytest.mark.parametrize("schema_id", [b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_a_schema_id_beyond_31_bits_is_refused(schema_id: bytes) -> None:
    """A registry's ids have 31 bits; it would not take more for an id at all."""
    with pytest.raises(ValueError, match="no schema id"):
        wire.unframe(b"\x00" + schema_id + b"body")


def test_each_schema_is_looked_up_once() -> None:
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
def test_an_unknown_or_refused_schema_is_looked_up_once(answer: str | None) -> None:
    """Many dead letters may share a schema that is unknown or refused; each look-up asks the registry."""
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
