"""The clock that rules get their times from, and times as text."""

from __future__ import annotations

from journeys.clock import Clock, iso


def test_the_wall_clock_in_milliseconds_is_cut_not_rounded() -> None:
    """A record's timestamp never lies in the future of the clock that gave it."""
    assert Clock(wall=lambda: 1_700_000_000.9999).wall_ms() == 1_700_000_000_999


def test_a_simulation_passes_its_own_time() -> None:
    """Each of the three functions can be replaced, so no rule reads the machine's clock."""
    slept: list[float] = []
    clock = Clock(monotonic=lambda: 5.0, wall=lambda: 7.0, sleep=slept.append)
    clock.sleep(0.25)
    assert (clock.monotonic(), clock.wall(), clock.wall_ms(), slept) == (5.0, 7.0, 7000, [0.25])


def test_time_is_iso_in_utc() -> None:
    """It has milliseconds; a number beyond any calendar gives None."""
    assert iso(1_764_064_800_007) == "2025-11-25T10:00:00.007Z"
    assert iso(None) is None
    assert iso(10**18) is None
