"""Texts of records: JSON, JSON Pointers, times, and UTF-8."""

from __future__ import annotations

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from journeys.number import Number
from journeys.producer.encoding.text import encodable, moment, raw_json, token, utf8, writable


@pytest.mark.parametrize(("text", "fits"), [("", True), ("plain", True), ("Käse 🧀", True), ("a\ud800b", False)])
def test_a_lone_surrogate_has_no_utf8_form(text: str, fits: bool) -> None:
    """Every other text has one; a text without one becomes None."""
    assert encodable(text) is fits
    assert utf8(text) == (text if fits else None)
    assert utf8(None) is None


@pytest.mark.parametrize(
    "value",
    [None, True, 5, -(2**70), 2**70, 1.5, "ä", "\ud800", ["\ud800", 2**64], {"\ud800": {"a": ["x\udfff", 10**30]}}],
)
def test_raw_json_is_utf8_and_reads_back_as_the_value(value: object) -> None:
    """Lone surrogates and integers beyond 64 bits survive."""
    text = raw_json(value)
    assert encodable(text)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("innermost", "text"), [(1, "1"), (Number("1.50"), "1.50"), ("\ud800", '"\\ud800"'), (10**50, "1" + "0" * 50)]
)
def test_raw_json_has_no_depth_limit(innermost: object, text: str) -> None:
    """A value beyond the depth of recursion costs no journey, whatever is inside of it."""
    value = innermost
    for _ in range(5000):
        value = {"a": [value, 2], "b": []}
    assert raw_json(value) == '{"a":[' * 5000 + text + ',2],"b":[]}' * 5000


def test_pointer_tokens_escape_tilde_slash_and_lone_surrogates() -> None:
    """RFC 6901 names ~0 and ~1; no other pointer gives ~u."""
    assert token("a/b~c") == "a~1b~0c"
    assert token("\ud800") == "~ud800"
    assert writable("/a/\udfff/0") == "/a/~udfff/0"
    assert writable("/plain/ä") == "/plain/ä"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-27 20:41:07", 1_795_812_067_000),
        ("20261127 20:41:07", 1_795_812_067_000),
        ("2026-11-27T20:41:07Z", 1_795_812_067_000),
        ("2026-11-27t20:41:07.9999z", 1_795_812_067_999),
        ("2026-11-27 21:41:07 +0100", 1_795_812_067_000),
        ("2026-11-27 20:41", None),
        ("2026-13-27 20:41:07", None),
        ("2026-11-27 24:00:00", None),
        ("0001-01-01 00:00:00+23:59", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_accepted_times_give_milliseconds(text: str, at_ms: int | None) -> None:
    """A fraction is cut to milliseconds; other texts, and times that no datetime holds, give None."""
    assert moment(text, UTC) == at_ms


def test_a_time_without_offset_is_in_the_zone() -> None:
    """Berlin is an hour ahead of UTC in November."""
    assert moment("2026-11-27 21:41:07", ZoneInfo("Europe/Berlin")) == moment("2026-11-27 20:41:07", UTC)
