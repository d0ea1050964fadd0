"""How long to wait before the next try. Pure; chance comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A bound that doubles from time to time, up to a cap; in seconds."""

    base: float
    cap: float

    def bound(self, times: int) -> float:
        """The longest wait after so many times, at least one."""
        return min(self.cap, self.base * 2.0 ** min(times - 1, 30))

    def wait(self, times: int, *, jitter: float) -> float:
        """Between half of the bound and the whole of it; `jitter` is in [0, 1)."""
        return self.bound(times) * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickTries(Backoff):
    """Tries within the process, bounded in number and in time. Times are in seconds.

    With full jitter: a delay is drawn between nothing and the bound, so that many orders that failed together do not
    come back together.
    """

    base: float = 0.2
    cap: float = 5.0
    tries: int = 4
    budget: float = 15.0

    def delay(self, *, failed: int, spent: float, jitter: float) -> float | None:
        """How long to wait after `failed` tries within `spent` seconds, or None when it is enough.

        `jitter` is in [0, 1).
        """
        if failed >= self.tries or spent >= self.budget:
            return None
        return self.bound(failed) * jitter
