"""Sums up the work of the last ten seconds in one log line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from journeys.logs import log
from journeys.producer.publisher import Outcome
from journeys.worker.happenings import Happening, Measured, TransactionEnded

_SUMMARY_S = 10.0
"""The time between two summary lines."""


class SummaryHook:
    """Writes a line each 10 s while there is work. `retry_topics` are left out of the lag: markers count in it.

    `monotonic` is in seconds.
    """

    follows: Final = (Measured, TransactionEnded)

    def __init__(self, *, retry_topics: Collection[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._retry_topics = frozenset(retry_topics)
        self._monotonic = monotonic
        self._outcomes: Counter[str] = Counter()
        self._written_at = monotonic()

    def __call__(self, happening: Happening) -> None:
        """Count the orders of a committed transaction. Write the line when it is time."""
        match happening:
            case TransactionEnded(result, finished):
                if result.outcome is Outcome.COMMITTED:
                    self._outcomes.update(order.outcome for order in finished if order.outcome != "skipped")
            case Measured():
                self._look(happening)

    def _look(self, measured: Measured) -> None:
        seconds = self._monotonic() - self._written_at
        if seconds < _SUMMARY_S or not (self._outcomes or measured.in_hand):
            return
        outcomes, self._outcomes = self._outcomes, Counter()
        self._written_at += seconds
        log(
            "orders.summary",
            published=outcomes["published"],
            retried=outcomes["retried"],
            dead_lettered=outcomes["dead-lettered"],
            orders_per_s=round(outcomes.total() / seconds, 1),
            in_hand=measured.in_hand,
            lag=sum(lag for (topic, _), lag in measured.lag.items() if topic not in self._retry_topics),
            oldest_s=round(measured.oldest_s, 1),
        )
