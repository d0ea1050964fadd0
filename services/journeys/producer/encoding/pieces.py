"""What generated encoders are made of: pieces of a body, as texts whose characters stand for bytes (Latin-1).

An ASCII text is then its own encoding, so most values go into a body as they are.
"""

from __future__ import annotations

from typing import Final

COMMON: Final = 2048
"""Integers from 0 up to this are looked up in a table: sizes, counts, positions, most prices."""

PAIRS: Final = tuple(chr(pair & 0x7F | 0x80) + chr(pair >> 7 | 0x80) for pair in range(1 << 14))
LAST: Final = tuple(chr(last) if last < 0x80 else chr(last & 0x7F | 0x80) + chr(last >> 7) for last in range(1 << 14))
"""Fourteen bits of a varint: in its midst, as two bytes, and at its end, as one or two."""
_LONGS: Final = range(-(2**63), 2**63)
TIMES: Final = range(1 << 34, 1 << 41)
"""Milliseconds from 1970-07-18 to 2039: six bytes."""


def _varint(number: int) -> str:
    """Zigzag, then seven bits a byte."""
    rest = (number << 1) ^ (number >> 63)
    encoded = ""
    while rest > 0x3FFF:
        encoded += PAIRS[rest & 0x3FFF]
        rest >>= 14
    return encoded + LAST[rest]


NULL: Final = _varint(0)
VALUE: Final = _varint(1)
"""The branches of a nullable type."""
END: Final = _varint(0)
"""The end of an array's or a map's blocks."""
NUMBERS: Final = tuple(_varint(number) for number in range(COMMON))
SOME_NUMBERS: Final = tuple(VALUE + number for number in NUMBERS)
"""The same for a nullable type: branch and number in one piece."""


def long(number: int) -> str:
    """A long. Raises TypeError for anything but an int, OverflowError beyond 64 bits."""
    if number.__class__ is not int:
        raise TypeError
    if 0 <= number < COMMON:
        return NUMBERS[number]
    if number not in _LONGS:
        raise OverflowError
    return _varint(number)


def boolean(value: bool) -> str:
    """A boolean. Raises TypeError for anything else."""
    if value.__class__ is not bool:
        raise TypeError
    return "\x01" if value else "\x00"


def sized(text: str) -> tuple[str, str]:
    """A text's size and the text. Raises UnicodeEncodeError for a lone surrogate."""
    encoded = text.encode()
    size = len(encoded)
    return NUMBERS[size] if size < COMMON else _varint(size), encoded.decode("latin-1")


def some_sized(text: str) -> tuple[str, str]:
    """The same for a nullable type: branch and size, and the text."""
    encoded = text.encode()
    size = len(encoded)
    return SOME_NUMBERS[size] if size < COMMON else VALUE + _varint(size), encoded.decode("latin-1")


def string(text: str) -> str:
    """A text with its size. Raises AttributeError or TypeError for anything else, UnicodeEncodeError as `sized`."""
    if text.isascii() and (size := len(text)) < COMMON:
        return NUMBERS[size] + text
    return "".join(sized(text))


def strings(texts: list[str]) -> str:
    """An array of texts. Raises TypeError for anything but a list, and what `string` raises."""
    if texts.__class__ is not list:
        raise TypeError
    if not texts:
        return END
    piece = long(len(texts))
    for text in texts:
        piece += string(text)
    return piece + END
