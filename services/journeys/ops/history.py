"""The last 15 minutes of a worker: throughput, requests and their latency. Sans-I/O: samples and times are arguments.

A sample holds totals since the start. The difference of two neighbours gives what happened between them, so nothing is
counted a second time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

SLOT_S: Final = 5.0
"""The time between two samples."""
SLOTS: Final = 180
"""Samples are kept for 15 minutes."""
_PACE_SLOTS: Final = 12
"""The pace is that of the last minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Totals of a worker at one moment. `at` is in seconds since the epoch."""

    at: float
    published: float
    """Orders published as journeys."""
    failed: float
    """Orders sent to a retry tier or to the dead letters."""
    dead: float
    """Orders sent to the dead letters."""
    throttled: float
    """Requests that the API throttled."""
    due: int
    """Orders that are due and not published, now."""
    events: Mapping[str, float]
    """Events published, by channel."""
    latency: Mapping[float, float]
    """Requests that took at most so many seconds, by this bound; the last bound is infinite."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of the history, which ended at `at`, in seconds since the epoch. Rates are orders per second.

    `median_s` and `p95_s` are the time of one request to the API; null if none ended in this slot.
    """

    at: float
    published_per_s: float
    failed_per_s: float
    median_s: float | None
    p95_s: float | None


class History:
    """Samples of the last 15 minutes. One thread adds; any thread may read."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SLOTS + 1)
        self._points: deque[Point] = deque(maxlen=SLOTS)

    def is_due(self, at: float) -> bool:
        """Whether the next sample is wanted at this time, or the clock was set back."""
        return not self._samples or not 0 <= at - self._samples[-1].at < SLOT_S

    def add(self, sample: Sample) -> None:
        """Add a sample, and the slot that it ends; the oldest ones go."""
        if self._samples:
            self._points.append(_point(self._samples[-1], sample))
        self._samples.append(sample)

    def points(self) -> list[Point]:
        """All slots, the oldest first."""
        return list(self._points)

    def pace_per_s(self, now: Sample) -> float:
        """Orders per second that left the worker in the last minute."""
        first = self._last_minute(now)[0]
        return _per_s(first, now, now.published + now.failed - first.published - first.failed)

    def catch_up_s(self, now: Sample) -> float | None:
        """Seconds until no order is due, if their number goes on falling as since its peak in the last minute.

        None if it does not fall, or has fallen for less than a slot.
        """
        if not now.due:
            return 0.0
        peak = max(self._last_minute(now), key=lambda each: (each.due, each.at))
        if now.at - peak.at < SLOT_S or peak.due <= now.due:
            return None
        return now.due / _per_s(peak, now, peak.due - now.due)

    def first(self) -> Sample:
        """The oldest sample."""
        return self._samples[0] if self._samples else NOTHING

    def _last_minute(self, now: Sample) -> Sequence[Sample]:
        return [*self._samples][-_PACE_SLOTS:] or [now]


def quantile(share: float, before: Mapping[float, float], after: Mapping[float, float]) -> float | None:
    """The quantile of the values between two states of a cumulative histogram, in its unit; None without a value.

    As Prometheus's `histogram_quantile`: linear within a bucket, and the last finite bound for the infinite one.
    """
    counts = [(bound, count - before.get(bound, 0.0)) for bound, count in sorted(after.items())]
    if not counts or counts[-1][1] <= 0:
        return None
    rank = share * counts[-1][1]
    low = below = 0.0
    for bound, count in counts[:-1]:
        if count >= rank:
            return round(low + (bound - low) * (rank - below) / (count - below or 1.0), 4)
        low, below = bound, count
    return low


def _point(before: Sample, after: Sample) -> Point:
    return Point(
        at=after.at,
        published_per_s=round(_per_s(before, after, after.published - before.published), 2),
        failed_per_s=round(_per_s(before, after, after.failed - before.failed), 2),
        median_s=quantile(0.5, before.latency, after.latency),
        p95_s=quantile(0.95, before.latency, after.latency),
    )


def _per_s(before: Sample, after: Sample, amount: float) -> float:
    seconds = after.at - before.at
    return amount / seconds if seconds > 0 else 0.0


NOTHING: Final = Sample(at=0.0, published=0, failed=0, dead=0, throttled=0, due=0, events={}, latency={})
"""The sample of a worker that has not begun."""
