"""How long to wait before the next try. No I/O: chance is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A wait in seconds that doubles with each failure, from `base_s` up to `cap_s`."""

    base_s: float
    cap_s: float

    def bound(self, failures: int) -> float:
        """Return the longest wait in seconds after `failures` failures in a row, at least one."""
        return min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 30))

    def wait(self, failures: int, *, jitter: float) -> float:
        """Return a wait between half of the bound and all of it. `jitter` is in [0, 1)."""
        return self.bound(failures) * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickTries(Backoff):
    """Tries within the process, limited in number (`tries`) and in time (`budget_s`).

    With *full jitter*: a delay is drawn between zero and the bound. So orders that failed together do not try again
    together.
    """

    base_s: float = 0.2
    cap_s: float = 5.0
    tries: int = 4
    budget_s: float = 15.0

    def delay(self, *, failed: int, spent_s: float, jitter: float) -> float | None:
        """Return the wait in seconds after `failed` tries that took `spent_s`; None if no try is left.

        `jitter` is in [0, 1).
        """
        if failed >= self.tries or spent_s >= self.budget_s:
            return None
        return self.bound(failed) * jitter
