"""The rate limiter of one account: spaces requests evenly and finds out where the API throttles. No I/O.

Turns are spaced evenly, so there is never a burst at the start of each second. A 429 cuts the rate to 93 %. From there
the rate climbs back along a cubic curve, as TCP's CUBIC does (RFC 9438): quickly at first, slowly around the limit,
then faster again.

A 429 sets a new limit only if we were using the old one. If we used less than 70 % of it, the limiter searches
instead, as TCP's slow start does: from the rate we did use it doubles every two seconds until the next 429. It also
doubles once it has been above the old limit for as long as it took to climb back to it. If the API accepted no request
since the last cut, a further 429 changes nothing: the API accepts nothing now, at whatever rate.

Times are arguments, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

_CUT = 0.93
"""The share of the rate that is left after a cut."""
_USED = 0.7
"""If a smaller share of the rate is in use, a 429 says nothing about the API's limit."""
_DOUBLING_S = 2.0
"""Seconds in which the rate doubles during a search."""
_MIN_RATE = 1.0
"""The lowest rate, in requests per second."""
_MAX_RATE = 100_000.0
"""Requests per second; a higher rate counts as no limit at all."""
_LATE_S = 0.01
"""Seconds by which a turn may be late without delaying the next one: timers are not exact."""


class _Curve(msgspec.Struct, frozen=True):
    """The rate since the last 429. Times are in seconds."""

    limit: float
    """The rate at which the API throttled."""
    cut_at: float
    climb_s: float
    """From a cut back to the limit."""
    is_search: bool
    """Whether the rate doubles from the start, because the limit is not known."""

    def rate(self, now: float) -> float:
        """Return the rate in requests per second, without any bound."""
        passed = now - self.cut_at
        if self.is_search:
            doubled, rate = passed, self.limit * _CUT
        else:
            doubled = max(0.0, passed - 2 * self.climb_s)
            rate = self.limit * (1 + (1 - _CUT) * (min(passed / self.climb_s, 2.0) - 1) ** 3)
        return rate * 2 ** min(doubled / _DOUBLING_S, 30)

    def is_doubling(self, now: float) -> bool:
        """Return whether the rate doubles by now."""
        return self.is_search or now - self.cut_at > 2 * self.climb_s


class RateLimiter:
    """The rate of one account. `ceiling` is the highest rate in requests per second, None if there is none.

    Belongs to the event loop. Any thread may read `is_bound` and `rate`.
    """

    def __init__(self, ceiling: float | None = None) -> None:
        self._ceiling = ceiling or math.inf
        self._next = -math.inf  # when the next turn is
        self._accepted: deque[int] = deque()  # requests that were not throttled, in each of the last five seconds
        self._second = 0  # the newest of these
        self._curve: _Curve | None = None  # replaced whole, because other threads read it
        self._cut_at = -math.inf
        self._accepted_since_cut = True

    @property
    def is_bound(self) -> bool:
        """Whether requests have to wait for a turn."""
        return self._ceiling < math.inf or self._curve is not None

    def rate(self, now: float) -> float:
        """Return the present rate in requests per second; infinite if there is no limit."""
        rate = math.inf if (curve := self._curve) is None else curve.rate(now)
        return self._ceiling if rate > _MAX_RATE else min(max(rate, _MIN_RATE), self._ceiling)

    def delay(self, now: float) -> float:
        """Return the seconds until the next turn."""
        return max(0.0, self._next - now)

    def take(self, now: float) -> None:
        """Take a turn: the next one is due one interval later."""
        self._drop_old_limit(now)
        self._next = max(self._next, now - _LATE_S) + 1 / self.rate(now)

    def accepted(self, *, sent: float, now: float) -> None:
        """Record an answer other than 429 to a request that was sent at `sent`."""
        self._roll(now)
        self._accepted[-1] += 1
        self._accepted_since_cut = self._accepted_since_cut or sent >= self._cut_at

    def throttled(self, *, sent: float, now: float) -> None:
        """Record a 429 for a request that was sent at `sent`."""
        if sent < self._cut_at:
            return  # it was sent at the rate before the cut
        self._roll(now)
        self._drop_old_limit(now)
        if self._accepted_since_cut:
            self._curve = self._learn(now)
        elif self._curve is not None:
            self._curve = msgspec.structs.replace(self._curve, cut_at=now)
        self._cut_at = now
        self._accepted_since_cut = False

    def _drop_old_limit(self, now: float) -> None:
        """Forget a limit that the rate has left far behind."""
        if self._curve is not None and self._curve.rate(now) > _MAX_RATE:
            self._curve = None

    def _learn(self, now: float) -> _Curve:
        """Return the curve from the limit at which the API throttles, or the search for it."""
        rate, used = self.rate(now), self._used()
        is_used = used >= _USED * rate
        # A rate that doubles is ahead of the requests counted in the seconds before, so half the share suffices.
        is_doubling = self._curve is not None and self._curve.is_doubling(now)
        limit = max(rate if is_used else used, _MIN_RATE)
        return _Curve(
            limit=limit,
            cut_at=now,
            climb_s=min(max(200 / limit, 20.0), 40.0),  # at least 100 requests on the way, so that few are throttled
            is_search=not (is_used or (is_doubling and used >= _USED / 2 * rate)),
        )

    def _roll(self, now: float) -> None:
        """Begin a new count for each second up to now; keep five."""
        second = int(now)
        missing = min(second - self._second, 5) if self._accepted else 1
        for _ in range(missing):
            self._accepted.append(0)
            if len(self._accepted) > 5:
                self._accepted.popleft()
        self._second = second

    def _used(self) -> float:
        """Return the most requests that the API accepted within one of the last five seconds."""
        return float(max(self._accepted))
