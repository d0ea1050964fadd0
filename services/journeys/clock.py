"""The source of time. Rules take times as arguments; the code around them reads the time here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A monotonic clock for durations and a wall clock for timestamps. A simulation passes its own functions."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds since an arbitrary moment; never goes back."""
    wall: Callable[[], float] = time.time
    """Seconds since the epoch, UTC."""
    sleep: Callable[[float], object] = time.sleep
    """Block the calling thread for this many seconds."""

    def wall_ms(self) -> int:
        """Return the wall clock in milliseconds since the epoch, UTC."""
        return int(self.wall() * 1000)
