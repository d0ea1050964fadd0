"""Backoff: how long to wait before the next try."""

from __future__ import annotations

from journeys.fetcher.backoff import Backoff, QuickTries


def test_the_bound_doubles_up_to_its_cap() -> None:
    """It doubles with each failure in a row; a huge number of failures overflows nothing."""
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    assert [backoff.bound(failures) for failures in (1, 2, 3, 4, 5, 10_000)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_wait_has_half_jitter() -> None:
    """Between half of the bound and all of it."""
    assert [Backoff(base_s=1.0, cap_s=8.0).wait(3, jitter=jitter) for jitter in (0.0, 0.5)] == [2.0, 3.0]


def test_quick_tries_have_full_jitter() -> None:
    """Between zero and the bound."""
    tries = QuickTries(tries=4, base_s=1.0, cap_s=8.0, budget_s=60.0)
    assert [tries.delay(failed=3, spent_s=0.0, jitter=jitter) for jitter in (0.0, 0.5)] == [0.0, 2.0]


def test_quick_tries_are_limited_in_number_and_time() -> None:
    """No try is left after the last one, or once the tries have used up their time."""
    tries = QuickTries(tries=3, base_s=1.0, cap_s=8.0, budget_s=60.0)
    assert tries.delay(failed=2, spent_s=59.0, jitter=0.5) == 1.0
    assert tries.delay(failed=3, spent_s=0.0, jitter=0.5) is None
    assert tries.delay(failed=1, spent_s=60.0, jitter=0.5) is None
