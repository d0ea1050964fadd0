"""Quick tries: how long to wait before the next one. Pure; chance comes in as an argument.

Exponential with full jitter: a delay is drawn between nothing and a bound that doubles from try to try, so that
many orders that failed together do not come back together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickTries:
    """A schedule, bounded in tries and in time. Times are in seconds."""

    tries: int = 4
    base: float = 0.2
    cap: float = 5.0
    budget: float = 15.0

    def bound(self, failed: int) -> float:
        """The longest delay after this many failed tries."""
        return min(self.cap, self.base * 2.0 ** min(failed - 1, 30))

    def delay(self, *, failed: int, spent: float, jitter: float) -> float | None:
        """How long to wait after `failed` tries within `spent` seconds, or None when it is enough.

        `jitter` is in [0, 1).
        """
        if failed >= self.tries or spent >= self.budget:
            return None
        return self.bound(failed) * jitter
