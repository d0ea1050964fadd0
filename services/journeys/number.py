"""JSON numbers as they were written, and their exact values. Prices and ids lose digits as binary floats."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_ID_DIGITS: Final = 38
_EXPONENT_DIGITS: Final = 9
"""A longer exponent is beyond every number that is kept, and is not converted."""


class Number(str):
    """A JSON number with a fraction or an exponent, as it was written. Pass this as msgspec's `float_hook`."""

    __slots__ = ()


def scaled(text: str, scale: int, max_digits: int) -> tuple[int, bool] | None:
    """The value of a decimal number times 10**`scale`, as an integer, and whether that is exact.

    It is rounded half-even. Returns None if the text is no number as JSON writes it, leading zeros allowed, or if the
    integer has more than `max_digits` digits. The time that this takes grows with the length of the text only.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0, True
    kept = len(digits) - len(fraction) + _bounded(exponent) + scale
    if kept > max_digits:
        return None
    number, rest = int("0" + digits[: max(kept, 0)].ljust(kept, "0")), digits[max(kept, 0) :].rstrip("0")
    if kept >= 0 and (rest > "5" or (rest == "5" and number % 2 == 1)):
        number += 1
    return (-number if sign else number, not rest) if number < 10**max_digits else None


def _bounded(exponent: str) -> int:
    """The exponent of a number, cut where it is beyond every number that is kept."""
    digits = exponent.lstrip("+-0") or "0"
    size = int(digits) if len(digits) <= _EXPONENT_DIGITS else 10**_EXPONENT_DIGITS
    return -size if exponent.startswith("-") else size


def digits(number: Number) -> str:
    """An id that is sent as a number: its digits if it is whole, with at most 38 of them; else as it was written."""
    whole = scaled(number, 0, _ID_DIGITS)
    return str(whole[0]) if whole is not None and whole[1] else str(number)


def unscaled(value: Decimal, scale: int, max_digits: int) -> int | None:
    """The value times 10**`scale`; None if that is no integer of at most `max_digits` digits."""
    if not value.is_finite():
        return None
    number = scaled(str(value), scale, max_digits)
    return number[0] if number is not None and number[1] else None


def twos_complement(number: int) -> bytes:
    """The fewest bytes that hold the number in two's complement, big-endian: how Avro writes a decimal."""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True)
