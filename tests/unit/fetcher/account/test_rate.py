"""The rate of requests: even, and found out where the API throttles."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import pytest

from journeys.fetcher.account.rate import RateLimiter


def turns(limiter: RateLimiter, start: float, seconds: float) -> list[float]:
    """Return the times of requests if there is always another one to send."""
    now, sent = start, []
    while (now := now + limiter.delay(now)) < start + seconds:
        limiter.take(now)
        sent.append(now)
    return sent


def accepted(limiter: RateLimiter, at: float) -> None:
    """A request was sent, and answered at once."""
    limiter.accepted(sent=at, now=at)


def test_turns_are_evenly_spaced() -> None:
    """Twenty requests a second are one each 50 ms, never twenty at once."""
    sent = turns(RateLimiter(20.0), 100.0, 10.0)
    assert len(sent) in (200, 201)
    assert {round(later - earlier, 6) for earlier, later in pairwise(sent[1:])} == {0.05}


def test_idle_time_allows_no_burst() -> None:
    """After a quiet minute the next two turns are as far apart as timers are inexact."""
    limiter = RateLimiter(20.0)
    turns(limiter, 0.0, 1.0)
    first, second, *_ = turns(limiter, 60.0, 1.0)
    assert second - first == pytest.approx(0.04)


def test_without_a_bound_nothing_waits() -> None:
    """No ceiling and no 429: the limiter is not in the way."""
    limiter = RateLimiter()
    assert (limiter.is_bound, limiter.rate(0.0)) == (False, math.inf)


def test_looking_at_the_rate_changes_nothing() -> None:
    """Another thread looks at it, for /metrics and the page. Only a turn drops a limit that is long outgrown."""
    limiter = RateLimiter()
    accepted(limiter, 0.0)
    limiter.throttled(sent=0.0, now=0.0)
    assert (limiter.rate(600.0), limiter.is_bound) == (math.inf, True)
    assert limiter.rate(0.0) < math.inf
    limiter.take(600.0)
    assert not limiter.is_bound


def test_throttled_requests_of_one_rate_cut_it_once() -> None:
    """A 429 for a request from before the cut says nothing about the rate after it."""
    limiter = RateLimiter(100.0)
    for at in turns(limiter, 0.0, 2.0):
        accepted(limiter, at)
    for _ in range(10):
        limiter.throttled(sent=1.9, now=2.0)
    assert limiter.rate(2.0) == pytest.approx(93.0)
    accepted(limiter, 2.1)
    limiter.throttled(sent=2.1, now=2.1)
    assert limiter.rate(2.1) < 90.0


def test_a_rate_climbs_back_and_then_beyond_up_to_its_ceiling() -> None:
    """Slowly around the rate that was too much, then ever faster."""
    limiter = RateLimiter(300.0)
    for number in range(600):
        accepted(limiter, number / 120)
    limiter.throttled(sent=5.0, now=5.0)  # 300 a second: not used
    assert limiter.rate(5.0) == pytest.approx(111.6)
    accepted(limiter, 5.0)
    limiter.throttled(sent=5.0, now=5.0)
    rates = [limiter.rate(5.0 + passed) for passed in (0, 10, 20, 30, 60, 200)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(0.93 * 111.6)
    assert rates[2] == pytest.approx(111.6)
    assert rates[3] < 114.0
    assert rates[-1] == 300.0


@pytest.mark.parametrize("used", [0, 1, 3])
def test_a_429_at_a_hardly_used_rate_starts_a_search(used: int) -> None:
    """An order now and then, and one of them throttled: a rush soon after is not held up for it."""
    limiter = RateLimiter()
    for number in range(5 * used):
        accepted(limiter, number / used)
    limiter.throttled(sent=5.0, now=5.0)
    assert limiter.rate(5.0) <= max(1, used)
    assert len(turns(limiter, 5.0, 20.0)) > 1000


def test_a_429_at_half_the_ceiling_starts_a_search() -> None:
    """The first 429 of all came at a rate that was not used: the ceiling is tried again soon."""
    limiter = RateLimiter(100.0)
    for number in range(200):
        accepted(limiter, number / 40)
    limiter.throttled(sent=5.0, now=5.0)
    assert limiter.rate(5.0) == pytest.approx(0.93 * 40)
    assert limiter.rate(8.0) == 100.0


def test_a_429_ends_the_search() -> None:
    """From there it climbs as after any other cut."""
    limiter = RateLimiter()
    limiter.throttled(sent=0.0, now=0.0)
    for at in turns(limiter, 0.0, 8.0):
        accepted(limiter, at)
    reached = limiter.rate(8.0)
    limiter.throttled(sent=8.0, now=8.0)
    assert limiter.rate(8.0) == pytest.approx(0.93 * limiter.rate(28.0))
    assert 0.7 * reached < limiter.rate(8.0) < reached


def test_an_api_that_accepts_nothing_sets_no_limit() -> None:
    """While every request is throttled, the rate stays as it was cut first; it recovers soon afterwards."""
    limiter = RateLimiter()
    for number in range(15):
        accepted(limiter, number / 3)
    for second in range(5, 9):
        limiter.throttled(sent=float(second), now=second + 0.1)
        assert limiter.rate(second + 0.1) == pytest.approx(0.93 * 3)
    assert len(turns(limiter, 9.0, 20.0)) > 1000


def test_answers_to_requests_before_the_cut_do_not_count() -> None:
    """It is one to a request from before: seeds 20 and 112 were slow for it, in the middle of a blanket refusal."""
    limiter = RateLimiter()
    for number in range(5):
        accepted(limiter, float(number))
    limiter.throttled(sent=5.0, now=5.1)
    limiter.accepted(sent=4.9, now=5.9)
    limiter.throttled(sent=6.1, now=6.2)
    assert limiter.rate(6.2) == 1.0
    assert len(turns(limiter, 7.0, 20.0)) > 500


def test_a_lifted_limit_is_found_within_two_minutes() -> None:
    """Once the rate has been above the old limit for a while, it doubles."""
    limiter = RateLimiter()
    for number in range(25):
        accepted(limiter, number / 5)
    for at in (5.0, 5.1):  # a search, and its end
        accepted(limiter, at)
        limiter.throttled(sent=at, now=at)
    assert limiter.rate(45.0) < 6.0
    assert limiter.rate(125.0) > 500.0


class Server:
    """Allows so many requests in each second: aligned to seconds, or in any second (sliding)."""

    def __init__(self, allowed: int, *, sliding: bool) -> None:
        self.allowed = allowed
        self._sliding = sliding
        self._taken: deque[float] = deque()

    def takes(self, now: float) -> bool:
        """Whether a request that arrives now is answered."""
        while self._taken and (self._taken[0] <= now - 1 if self._sliding else int(self._taken[0]) < int(now)):
            self._taken.popleft()
        if len(self._taken) >= self.allowed:
            return False
        self._taken.append(now)
        return True


@pytest.mark.slow
@pytest.mark.parametrize("sliding", [False, True])
@pytest.mark.parametrize(("allowed", "latency"), [(5, 0.2), (20, 0.3), (20, 0.02), (100, 0.05), (1000, 0.02)])
def test_the_rate_converges_to_the_limit_of_the_api(allowed: int, latency: float, *, sliding: bool) -> None:
    """With no setting: after the first minute at least nine tenths are used, and fewer than 2 % are throttled."""
    limiter, server = RateLimiter(), Server(allowed, sliding=sliding)
    now, paused_until = 0.0, 0.0
    under_way: deque[tuple[float, float, bool]] = deque()  # when it is answered, when it was sent, whether it was taken
    answers: list[tuple[float, bool]] = []
    while now < 360.0:
        now = max(now + 1e-4, paused_until, now + (limiter.delay(now) if limiter.is_bound else 0.0))
        while len(under_way) >= 128 or (under_way and under_way[0][0] <= now):
            at, sent, taken = under_way.popleft()
            now = max(now, at)
            answers.append((at, taken))
            if taken:
                limiter.accepted(sent=sent, now=at)
            else:
                limiter.throttled(sent=sent, now=at)
                paused_until = max(paused_until, at + 1.0)
        if now < paused_until:
            continue
        if limiter.is_bound:
            limiter.take(now)
        under_way.append((now + latency, now, server.takes(now)))
    later = [taken for at, taken in answers if at >= 60.0]
    assert sum(later) >= 0.9 * allowed * 300
    assert later.count(False) < 0.02 * len(later)
