"""When orders are admitted: bounded in orders and bytes, without a pause for every short stop. Sans-I/O.

Each pause and resume of a partition stalls its intake for about a second (measured), because librdkafka discards its
prefetched messages (librdkafka #1849). So a short stop does not pause: it polls now and then to serve callbacks, and
accepts the few orders that this brings. A stop longer than `pause_after_s` pauses, and ends at half full.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that may be in hand: admitted and not yet published."""

    orders: int
    bytes: int

    def room(self, *, orders: int, in_bytes: int) -> int:
        """How many more orders may be admitted; 0 or less for none."""
        return self.orders - orders if in_bytes < self.bytes else 0


class Intake:
    """Open, stopped for a moment, or paused."""

    def __init__(self, bounds: Bounds, *, pause_after_s: float = 2.0) -> None:
        self._resume_at = max(1, bounds.orders // 2)
        self._pause_after_s = pause_after_s
        self._full_since: float | None = None
        self.paused = False

    @property
    def open(self) -> bool:
        """Whether orders are admitted."""
        return self._full_since is None

    def update(self, *, room: int, now: float, wants_one_more: bool = False) -> None:
        """Follow the room there is: orders that may be admitted. `now` is in seconds of the monotonic clock.

        `wants_one_more` ends a pause at once, also before the intake is half empty.
        """
        if room <= 0 and self._full_since is None:
            self._full_since = now
        elif (
            room > 0 and self._full_since is not None and (not self.paused or wants_one_more or room >= self._resume_at)
        ):
            self._full_since = None
        self.paused = self._full_since is not None and now - self._full_since > self._pause_after_s
