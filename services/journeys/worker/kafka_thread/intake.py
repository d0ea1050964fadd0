"""When to take orders in: bounded in orders and bytes, without paying a pause for every short stop. Pure.

Measured: each pause and resume of a partition stalls its intake for about a second, as librdkafka throws away what
it had prefetched (librdkafka #1849). So a short stop merely polls now and then, for the sake of callbacks, and
accepts the few orders that this brings; a stop longer than `pause_after` pauses, and ends at half full.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be in hand: admitted and not yet published."""

    orders: int
    bytes: int

    def room(self, *, orders: int, in_bytes: int) -> int:
        """How many orders more may be admitted."""
        return self.orders - orders if in_bytes < self.bytes else 0


class Intake:
    """Open, stopped for a moment, or paused."""

    def __init__(self, bounds: Bounds, *, pause_after: float = 2.0) -> None:
        self._resume_at = max(1, bounds.orders // 2)
        self._pause_after = pause_after
        self._full_since: float | None = None
        self.paused = False

    @property
    def open(self) -> bool:
        """Whether orders are taken in."""
        return self._full_since is None

    def update(self, *, room: int, now: float, wants_one_more: bool = False) -> None:
        """Look at the room there is, at a monotonic time in seconds.

        `wants_one_more` asks for whatever there is room for.
        """
        if room <= 0 and self._full_since is None:
            self._full_since = now
        elif (
            room > 0 and self._full_since is not None and (not self.paused or wants_one_more or room >= self._resume_at)
        ):
            self._full_since = None
        self.paused = self._full_since is not None and now - self._full_since > self._pause_after
