"""The wire format, and values by their schema's id."""

from __future__ import annotations

import pytest

from journeys import avro

LONG = avro.Schema({"type": "long"})


def test_a_frame_is_undone() -> None:
    """The id comes back with the body, up to the largest."""
    for schema_id in (0, 1, 2**31 - 1, 2**32 - 1):
        assert avro.unframe(avro.frame(schema_id, b"body")) == (schema_id, b"body")


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01", b"plain text", b"\xff" * 6])
def test_what_has_no_frame_is_told(value: bytes) -> None:
    """Too short, or another first byte: not the wire format."""
    with pytest.raises(ValueError, match="wire format"):
        avro.unframe(value)


@pytest.mark.parametrize("body", [b"", b"\x02\x00", b"\xff\xff"])
def test_a_broken_body_is_a_value_error(body: bytes) -> None:
    """Empty, too long or cut off: one kind of error."""
    with pytest.raises(ValueError, match="Avro body"):
        LONG.decode(body)


def test_a_text_that_claims_more_than_there_is_is_a_value_error() -> None:
    """A length beyond the body's end, or below zero, is a broken body."""
    text = avro.Schema({"type": "string"})
    for body in (b"\x0aab", b"\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        with pytest.raises(ValueError, match="Avro body"):
            text.decode(body)


@pytest.mark.parametrize("definition", ["nonsense", {"type": "record"}, {"type": "array"}, 5, None])
def test_what_is_no_schema_is_told(definition: object) -> None:
    """A definition that Avro does not know is refused when it is parsed."""
    with pytest.raises(ValueError, match="not an Avro schema"):
        avro.Schema(definition)


def test_each_schema_is_asked_for_once() -> None:
    """A decoder remembers schemas by id, and nothing of a failed look-up."""
    asked: list[int] = []

    def schema_of(schema_id: int) -> str:
        asked.append(schema_id)
        if len(asked) == 1:
            raise LookupError
        return '"long"'

    decoder = avro.Decoder(schema_of)
    value = avro.frame(9, LONG.encode(-5))
    with pytest.raises(LookupError):
        decoder.decode(value)
    assert [decoder.decode(value), decoder.decode(value)] == [-5, -5]
    assert asked == [9, 9]
