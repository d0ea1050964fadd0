"""Decides which orders take too long. Sans-I/O.

An order is slow once the API has kept it busy for `JOURNEYS_ORDERS__SLOW`: see `fetcher/progress.py` for its clock. An
order that waits is not slow, whatever it waits for. A due time, the gate, the registry and Kafka have reasons of their
own, and the rate is meant to make orders wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from journeys.fetcher.progress import OpenOrder
from journeys.model import Position


class SlowOrders:
    """Looks at the open orders from time to time. `slow_s` is the longest time of an order, in seconds."""

    def __init__(self, slow_s: float) -> None:
        self._slow_s = slow_s
        self._slow: frozenset[Position] = frozenset()

    def look(self, orders: Iterable[OpenOrder]) -> tuple[Sequence[OpenOrder], str | None]:
        """The orders that are slow since the last look, and a text that names the slowest one; None if none is slow."""
        slow = sorted((order for order in orders if order.busy_s >= self._slow_s), key=lambda order: -order.busy_s)
        new = [order for order in slow if order.position not in self._slow]
        self._slow = frozenset(order.position for order in slow)
        return new, _described(slow) if slow else None


def _described(slow: Sequence[OpenOrder]) -> str:
    slowest = slow[0]
    failure = "no try failed" if slowest.last_failure is None else f"the last failure: {slowest.last_failure}"
    others = f"; {len(slow) - 1} more" if len(slow) > 1 else ""
    order = f"order {slowest.order_id} ({slowest.position})"
    return f"{order} takes {slowest.busy_s:.0f} s, tries: {slowest.tries}, {failure}{others}"
