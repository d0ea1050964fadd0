"""Where time comes from. Rules take a time as an argument; the shell that hands it to them reads it here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A monotonic clock for durations, and the wall clock for what is written down; a simulation brings its own."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment."""
    wall: Callable[[], float] = time.time
    """Seconds since the epoch."""
    sleep: Callable[[float], object] = time.sleep
    """Let so many seconds pass, on a thread that has nothing better to do."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.wall() * 1000)
