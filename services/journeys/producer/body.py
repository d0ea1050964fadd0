"""Avro's binary encoding, by writers compiled once from our own schemas.

A general writer asks of each value which branch of a union it may be. Our unions are all "null or one type", so
there is nothing to ask, and the asking was most of the time: about 6 µs an event against 18 with fastavro. Only
what our schemas use is known here; a property test holds each schema's bytes equal to those of the general writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from journeys.model import Json

_Out: TypeAlias = Callable[[bytes], None]
_Writer: TypeAlias = Callable[[_Out, Any], None]


def _varint(number: int) -> bytes:
    """An integer of 64 bits, zigzag and variable length. Raises OverflowError beyond."""
    if not -(2**63) <= number < 2**63:
        raise OverflowError("an Avro long has 64 bits")
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


_SMALL: Final = tuple(_varint(number) for number in range(2048))
"""The common lengths, counts and positions, ready made."""
_NULL: Final = _varint(0)
_VALUE: Final = _varint(1)
"""The branches of a nullable type."""
_END: Final = _varint(0)
"""The end of an array's or a map's blocks."""
_BOOLEANS: Final = (b"\x00", b"\x01")


def compiled(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
    """A function from a datum of this record to its Avro body.

    `schema` is self-contained. Raises ValueError for a type that is not known here. The function raises
    OverflowError for an integer beyond 64 bits and UnicodeEncodeError for a text with a lone surrogate; of anything
    else that does not fit the schema it takes no notice.
    """
    write = _writer(schema, {})

    def body(datum: Mapping[str, Any]) -> bytes:
        parts: list[bytes] = []
        write(parts.append, datum)
        return b"".join(parts)

    return body


def _long(out: _Out, value: int) -> None:
    out(_SMALL[value] if 0 <= value < len(_SMALL) else _varint(value))


def _string(out: _Out, value: str) -> None:
    text = value.encode()
    _long(out, len(text))
    out(text)


def _nullable_string(out: _Out, value: str | None) -> None:
    """As `_nullable(_string)`, spelt out: two of three fields are of this type."""
    if value is None:
        out(_NULL)
    else:
        text = value.encode()
        size = len(text)
        out(_VALUE)
        out(_SMALL[size] if size < len(_SMALL) else _varint(size))
        out(text)


def _boolean(out: _Out, value: bool) -> None:
    out(_BOOLEANS[value])


_PRIMITIVES: Final[Mapping[str, _Writer]] = {"long": _long, "string": _string, "boolean": _boolean}


def _writer(kind: Json, named: dict[str, _Writer]) -> _Writer:
    """The writer of a type. `named` holds those of the records met so far."""
    if isinstance(kind, list):
        return _union(kind, named)
    if isinstance(kind, str):
        kind = {"type": kind}
    name = kind["type"]
    if name == "array":
        return _array(_writer(kind["items"], named))
    if name == "map":
        return _map(_writer(kind["values"], named))
    if name == "record":
        writer = _record([(field["name"], _writer(field["type"], named)) for field in kind["fields"]])
        named[f"{kind['namespace']}.{kind['name']}"] = writer
        return writer
    known = _PRIMITIVES.get(name) or named.get(name)
    if known is None:
        raise ValueError(f"no writer for the Avro type {name!r}")
    return known


def _union(branches: list[Json], named: dict[str, _Writer]) -> _Writer:
    if len(branches) != 2 or branches[0] != "null":
        raise ValueError(f"no writer for a union of {len(branches)} types: only null and another, in this order")
    if branches[1] == "string":
        return _nullable_string
    return _nullable(_writer(branches[1], named))


def _nullable(inner: _Writer) -> _Writer:
    def write(out: _Out, value: Any) -> None:
        if value is None:
            out(_NULL)
        else:
            out(_VALUE)
            inner(out, value)

    return write


def _array(item: _Writer) -> _Writer:
    def write(out: _Out, value: list[Any]) -> None:
        if value:
            _long(out, len(value))
            for each in value:
                item(out, each)
        out(_END)

    return write


def _map(item: _Writer) -> _Writer:
    def write(out: _Out, value: Mapping[str, Any]) -> None:
        if value:
            _long(out, len(value))
            for name, each in value.items():
                _string(out, name)
                item(out, each)
        out(_END)

    return write


def _record(fields: list[tuple[str, _Writer]]) -> _Writer:
    def write(out: _Out, value: Mapping[str, Any]) -> None:
        for name, field in fields:
            field(out, value[name])

    return write
