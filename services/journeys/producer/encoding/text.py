"""Texts as they go out and come in: JSON, JSON Pointers, times, and what UTF-8 has no form for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import msgspec

from journeys.model import Json, Unreadable
from journeys.number import Number

_DATE_TIME: Final = re.compile(
    r"\d{4}(?:-\d\d-\d\d|/\d\d/\d\d|\d{4})[ Tt]"
    r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?: ?(?:Z|UTC|GMT|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?",
    re.ASCII | re.IGNORECASE,
)
_UNIX: Final = re.compile(r"(?P<s>[0-9]{9,10})(?:\.(?P<fraction>[0-9]+))?|(?P<ms>[0-9]{13})(?:\.[0-9]+)?", re.ASCII)
"""Seconds from 1973 to 2286, or milliseconds from 2001 to 2286. Other numbers of digits may be a date or an id."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def _as_received(value: object) -> msgspec.Raw:
    if isinstance(value, Number):
        return msgspec.Raw(value.encode())
    if isinstance(value, Unreadable):
        return msgspec.Raw(value.text.encode(errors="backslashreplace"))
    raise TypeError(f"no JSON value: {type(value).__name__}")


_json_bytes: Final = msgspec.json.Encoder(enc_hook=_as_received).encode


def encodable(text: str) -> bool:
    """Whether a text has a form in UTF-8: not so with a lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def raw_json(value: Json) -> str:
    """A value as JSON text, always encodable as UTF-8: a text with a lone surrogate is escaped."""
    if type(value) is Number:
        return str(value)
    try:
        return _json_bytes(value).decode()
    except (UnicodeEncodeError, OverflowError, RecursionError):  # a lone surrogate; an integer beyond 64 bits; too deep
        return _spelt_out(value)


def _spelt_out(value: Json) -> str:
    """A value of any depth as JSON text; bytes stand for punctuation that is still to be written."""
    parts: list[str] = []
    todo: list[Json | bytes] = [value]
    while todo:
        item = todo.pop()
        if type(item) is bytes:
            parts.append(item.decode())
        elif type(item) is dict:
            fields = [part for name, inner in item.items() for part in (b",", name, b":", inner)]
            todo += reversed([b"{", *fields[1:], b"}"])
        elif type(item) is list:
            items = [part for inner in item for part in (b",", inner)]
            todo += reversed([b"[", *items[1:], b"]"])
        elif type(item) is int or (type(item) is str and not encodable(item)):
            parts.append(json.dumps(item))
        else:
            parts.append(_json_bytes(item).decode())
    return "".join(parts)


def utf8(text: str | None) -> str | None:
    """The text, or None where it has no form in UTF-8."""
    return text if text is None or encodable(text) else None


def writable(pointer: str) -> str:
    """A JSON Pointer with each lone surrogate, which UTF-8 has no form for, as `~ud800`.

    RFC 6901 escapes `~`, so no other pointer gives that.
    """
    if encodable(pointer):
        return pointer
    return "".join(f"~u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in pointer)


def token(name: str) -> str:
    """A field's name as a reference token of a JSON Pointer (RFC 6901)."""
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    return writable(name)


def moment(text: str, zone: tzinfo) -> int | None:
    """The time that a text names, in milliseconds since the epoch; None if it has none of the accepted forms.

    - `YYYY-MM-DD HH:MM:SS`, also with slashes or without dashes, and with `T` between; a fraction (cut to milliseconds)
      may follow, and an offset, `Z`, `UTC` or `GMT`; without these the time is in `zone`
    - unix time in seconds or milliseconds

    Spaces around it do not matter. A time beyond the years 1 to 9999 in UTC is none: readers could not hold it.
    """
    text = text.strip(" ")
    if (unix := _UNIX.fullmatch(text)) is not None:
        return int(unix["ms"] or unix["s"] + (unix["fraction"] or "")[:3].ljust(3, "0"))
    if _DATE_TIME.fullmatch(text) is None:
        return None
    text = text.upper().replace("/", "-").replace("UTC", "Z").replace("GMT", "Z")
    try:
        time = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
        if time.tzinfo is None:
            time = time.replace(tzinfo=zone)
        return (time.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None
