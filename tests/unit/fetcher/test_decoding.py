"""The decoder of page bodies: the strict reading, and the tolerant one after it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.fetcher.decoding import decode
from journeys.model import Json, Unreadable
from journeys.number import Number


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"title": "a\tb\nc\x00"}', {"title": "a\tb\nc\x00"}),
        (b"[NaN, 1]", [Unreadable("NaN"), 1]),
        (b"[Infinity, -Infinity]", [Unreadable("Infinity"), Unreadable("-Infinity")]),
        (b'["a\xffb", 1]', ["a\udcffb", 1]),
        (b'["\\ud800"]', ["\ud800"]),
        (b"[1e400]", [Number("1e400")]),
        (b"[" + b"7" * 5000 + b"]", [Unreadable("7" * 5000)]),
        (b"[" + b"7" * 1000 + b", NaN]", [int("7" * 1000), Unreadable("NaN")]),
        (b"\xef\xbb\xbf[1]", [1]),
    ],
    ids=["control", "NaN", "Infinity", "not UTF-8", "surrogate", "1e400", "digits", "many digits", "byte order mark"],
)
def test_an_odd_value_is_read_beside_its_neighbours(body: bytes, value: Json) -> None:
    """Text stays text; a value that is no JSON is kept as it was received."""
    assert decode(body) == value


@pytest.mark.parametrize("opening", ['{"a":', "[", '{"a\\"]":['])
def test_a_value_that_is_nested_too_deeply_is_kept_as_text(opening: str) -> None:
    """The body is cut below level 64, and everything beside the deep value is read."""
    closing = "".join("]" if bracket == "[" else "}" for bracket in reversed(opening) if bracket in "[{")
    text = opening * 5000 + '"0e0 ]"' + closing * 5000
    decoded = decode(f'{{"before": [0e0, "}}"], "deep": {text}, "after": 1}}'.encode())
    assert (decoded["before"], decoded["after"]) == ([Number("0e0"), "}"], 1)
    value, levels = decoded["deep"], 1
    while not isinstance(value, Unreadable):
        (value,) = value.values() if isinstance(value, dict) else value
        levels += 1
    assert levels == 64
    assert value.text in text
    assert '"0e0 ]"' in value.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": 1,}',
        b'{"a": 1',
        b'{"a" NaN}',
        b"[1] NaN",
        b"[NaN, 'a']",
        b"[" * 5000,
        b"[" * 5000 + b"}" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 4999,
    ],
)
def test_broken_syntax_is_refused(body: bytes) -> None:
    """The tolerant reading forgives values, not syntax."""
    with pytest.raises(ValueError, match=r"."):
        decode(body)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        ("€".encode("cp1252"), "windows-1252", "€"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        ("é".encode(), "iso-8859-1", "é"),
        ("é".encode("latin-1"), "no-such-charset", "\udce9"),
        ("é".encode("latin-1"), "hex", "\udce9"),
        ("é".encode("latin-1"), None, "\udce9"),
    ],
)
def test_a_body_in_another_charset_is_decoded_with_it(body: bytes, charset: str | None, text: str) -> None:
    """The header counts only for a body that is not UTF-8."""
    assert decode(b'["' + body + b'"]', charset=charset) == [text]


def test_utf_16_is_detected() -> None:
    """By its byte order mark, or by its zero bytes."""
    assert decode('["é"]'.encode("utf-16")) == decode('["é"]'.encode("utf-16-le")) == ["é"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_both_readings_agree(value: Json) -> None:
    """The tolerant reading, forced by a NaN, reads everything else as the strict one does."""
    text = json.dumps(value)
    assert decode(f"[{text}, NaN]".encode()) == [decode(text.encode()), Unreadable("NaN")]
