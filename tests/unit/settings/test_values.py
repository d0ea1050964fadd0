"""Durations, sizes, rates and addresses as they are written in settings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wrong_settings import problems

from journeys.settings import load
from journeys.settings.values import format_duration, format_size, parse_duration, parse_size, parse_time

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z
HOUR_MS = 3_600_000


@pytest.mark.parametrize("url", ["registry:8081", "ftp://x", "http://", "http://x?y=1", "http://x y", "http://x:port"])
def test_addresses_are_checked(url: str) -> None:
    """Before any connection."""
    assert "http:// or https://" in problems({"JOURNEYS_REGISTRY__URL": url})["JOURNEYS_REGISTRY__URL"]


def test_addresses_lose_their_last_slash() -> None:
    """Paths are joined with one slash."""
    assert load(None, {"JOURNEYS_API__BASE_URL": "http://x/y/"}).api.base_url == "http://x/y"


@given(st.integers(0, 10**9).map(lambda millis: millis / 1000))
def test_durations_survive_being_written(seconds: float) -> None:
    """A value that `config show` prints can be set again."""
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@given(st.integers(0, 2**50))
def test_sizes_survive_being_written(size: int) -> None:
    """A value that `config show` prints can be set again."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "value",
    ["", "1w", "-1s", "1e3", True, None, float("nan"), float("inf"), -1, "٣s", "36501d", "9" * 306 + "s", 10**400],
)
def test_invalid_durations_are_refused(value: object) -> None:
    """Only plain numbers and known units."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize("rate", ["fast", "-1", "inf", "nan"])
def test_invalid_rates_are_refused(rate: str) -> None:
    """The problem names the setting and says what it may be."""
    assert problems({"JOURNEYS_API__RATE": rate}) == {"JOURNEYS_API__RATE": "must be a number of 0 or more, or auto"}


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2h", NOW_MS - 2 * HOUR_MS),
        ("1.5d", NOW_MS - 36 * HOUR_MS),
        ("2025-11-25T09:00", NOW_MS - HOUR_MS),
        ("2025-11-25T10:00:00+02:00", NOW_MS - 2 * HOUR_MS),
        ("2025-11-25", NOW_MS - 10 * HOUR_MS),
        ("2025-11-25T09:59:59.500Z", NOW_MS - 500),
    ],
)
def test_time_is_an_iso_time_or_an_age(text: str, at_ms: int) -> None:
    """A time without a zone is UTC."""
    assert parse_time(text, now_ms=NOW_MS) == at_ms


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "2 weeks", "25.11.2025", "9" * 306 + "s"])
def test_unreadable_time_is_refused(text: str) -> None:
    """The error shows both forms."""
    with pytest.raises(ValueError, match=re.escape("2026-11-25T10:00Z")):
        parse_time(text, now_ms=NOW_MS)
