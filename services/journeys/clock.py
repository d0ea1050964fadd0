"""The source of time, and its text. Rules take times as arguments; the code around them reads the time here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


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


def iso(at_ms: int | None) -> str | None:
    """A time as ISO 8601 in UTC, with milliseconds: `2026-11-25T10:00:00.000Z`; None if no calendar has it."""
    if at_ms is None:
        return None
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
