"""Decodes the body of a page: strictly and fast; if that fails, tolerantly, so that one odd value costs no page.

The tolerant reading accepts what the strict one refuses: control characters in texts, `NaN` and `Infinity`, bytes that
are not UTF-8, numbers of any size, values nested too deeply. Text stays text; other odd values become Unreadable.
Broken syntax is refused by both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from journeys.model import Json, Unreadable
from journeys.number import Number

_MAX_DEPTH: Final = 64
"""A body that is nested too deeply for the decoders is cut below this level."""
_MAX_DIGITS: Final = 1000
"""Longer integers are Unreadable: Python takes quadratic time to convert them, and refuses more than 4,300 digits."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)
_CLOSING: Final = {"[": "]", "{": "}"}

_strict = msgspec.json.Decoder(float_hook=Number).decode


def decode(body: bytes, *, charset: str | None = None) -> Json:
    """Return the JSON value of a body. `charset` is the one that `Content-Type` names.

    A body that is valid UTF-8 is read as UTF-8, even if the header names another charset (RFC 8259, section 8.1).
    Raises ValueError for anything that is not JSON.
    """
    try:
        return _strict(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = _text(body, charset)
    try:
        return _tolerant(text, {})
    except RecursionError:
        shallow, values = _cut(text)
    try:
        return _tolerant(shallow, values)
    except RecursionError:
        raise ValueError("the body is nested too deeply, and breaks off") from None


def _text(body: bytes, charset: str | None) -> str:
    encoding: str = json.detect_encoding(body)  # UTF-8, UTF-16 or UTF-32
    if encoding == "utf-8" and charset is not None:
        try:
            return body.decode()
        except UnicodeDecodeError:
            encoding = charset
    try:
        return body.decode(encoding, "surrogateescape")
    except LookupError:  # no such charset
        return body.decode(errors="surrogateescape")


def _tolerant(text: str, values: Mapping[str, Unreadable]) -> Json:
    """Decode a text. `values` are those that were cut out, by the number that stands in their place."""

    def parse_float(number: str) -> Json:
        return values.get(number) or Number(number)

    def parse_int(number: str) -> Json:
        return int(number) if len(number) <= _MAX_DIGITS else Unreadable(number)

    return json.loads(text, strict=False, parse_float=parse_float, parse_int=parse_int, parse_constant=Unreadable)


def _cut(text: str) -> tuple[str, dict[str, Unreadable]]:
    """Replace each value below _MAX_DEPTH by a number that the text does not contain."""
    longest = max(map(len, re.findall("0+", text)), default=0)
    mark = "0e" + "0" * (longest + 1)
    parts: list[str] = []
    values: dict[str, Unreadable] = {}
    closing: list[str] = []
    start = end = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in _CLOSING:
            if len(closing) == _MAX_DEPTH:
                start = token.start()
            closing.append(_CLOSING[bracket])
        elif bracket in {"]", "}"}:
            if not closing or closing.pop() != bracket:
                raise ValueError("the brackets do not match")
            if len(closing) == _MAX_DEPTH:
                number = f"{mark}{len(values)}"
                values[number] = Unreadable(text[start : token.end()])
                parts += (text[end:start], number)
                end = token.end()
    return "".join((*parts, text[end:])), values
