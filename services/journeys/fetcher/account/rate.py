"""How many requests a second an account may send: smooth, and found out by itself where the API throttles. Pure.

Each request has a turn, evenly spaced: never a burst at each second. An API that answers 429 cuts the rate to a
little less than what it took; from there the rate climbs back along a cubic curve (as TCP's CUBIC does, RFC 9438):
quickly at first, slowly around the rate at which it was throttled, then faster again. What says little of what the API
takes does not set that rate: where it was hardly used, it is searched for from what was used, doubling every other
second until the next 429 (as in TCP's slow start); the same once it has been above the old rate for as long as below;
and a 429 with nothing taken of what was sent since the last cut means that the API takes nothing now, at whatever rate.

Times come in as arguments, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque

_CUT = 0.93
"""What is left of the rate after a cut."""
_USED = 0.7
"""A rate of which less than this is used says nothing about what the API takes."""
_DOUBLED = 2.0
"""Seconds in which a rate doubles while it is searched for."""
_LEAST = 1.0
"""Requests per second that are always tried."""
_UNBOUND = 100_000.0
"""A rate at which there is no sense in counting any more."""
_LATE = 0.01
"""Seconds that a late turn may make up for: timers are not exact."""


class RateLimiter:
    """The rate of one account. `ceiling` is the most requests per second, None where nothing is known of one."""

    def __init__(self, ceiling: float | None = None) -> None:
        self._ceiling = ceiling or math.inf
        self._next = -math.inf  # when the next turn is
        self._taken: deque[int] = deque()  # of the last seconds: how many requests were not throttled
        self._second = 0
        self._before = math.inf  # the rate at which the API throttled last
        self._cut_at = -math.inf
        self._is_heard = True  # something that was sent since was taken
        self._is_searching = False
        self._climb = 0.0  # seconds from a cut back to the rate before it

    @property
    def is_bound(self) -> bool:
        """Whether requests have to wait for a turn."""
        return self._ceiling < math.inf or self._before < math.inf

    def rate(self, now: float) -> float:
        """Requests per second at this time; infinite where there is no bound."""
        if self._before == math.inf:
            return self._ceiling
        passed = now - self._cut_at
        if self._is_searching:
            doubled, rate = passed, self._before * _CUT
        else:
            doubled = max(0.0, passed - 2 * self._climb)
            rate = self._before * (1 + (1 - _CUT) * (min(passed / self._climb, 2.0) - 1) ** 3)
        rate *= 2 ** min(doubled / _DOUBLED, 30)
        if rate > _UNBOUND:
            self._before = math.inf
        return min(max(rate, _LEAST), self._ceiling)

    def delay(self, now: float) -> float:
        """Seconds until the next turn."""
        return max(0.0, self._next - now)

    def take(self, now: float) -> None:
        """Take the turn."""
        self._next = max(self._next, now - _LATE) + 1 / self.rate(now)

    def accepted(self, *, sent: float, now: float) -> None:
        """A request that was sent then was answered, and not with 429."""
        self._roll(now)
        self._taken[-1] += 1
        self._is_heard = self._is_heard or sent >= self._cut_at

    def throttled(self, *, sent: float, now: float) -> None:
        """A request that was sent then was answered with 429."""
        if sent < self._cut_at:
            return  # it was sent at the rate before
        self._roll(now)
        if self._is_heard:
            self._learn(now)
            self._is_heard = False
        self._cut_at = now

    def _learn(self, now: float) -> None:
        """Where the API throttles, and whether that is known."""
        rate, used = self.rate(now), self._used()
        is_used = used >= _USED * rate
        # A rate that doubles is ahead of what was used in the seconds before: half of it says enough.
        is_doubling = self._before < math.inf and (self._is_searching or now - self._cut_at > 2 * self._climb)
        self._is_searching = not (is_used or (is_doubling and used >= _USED / 2 * rate))
        self._before = max(rate if is_used else used, _LEAST)
        # A hundred requests or more on the way back, so that throttled ones stay few among them.
        self._climb = min(max(200 / self._before, 20.0), 40.0)

    def _roll(self, now: float) -> None:
        """Bring the counts of the last five seconds up to this one."""
        second = int(now)
        missing = min(second - self._second, 5) if self._taken else 1
        for _ in range(missing):
            self._taken.append(0)
            if len(self._taken) > 5:
                self._taken.popleft()
        self._second = second

    def _used(self) -> float:
        """Requests per second that the API has taken: the most within one of the last seconds."""
        return float(max(self._taken))
