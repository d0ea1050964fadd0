"""Notices trouble in which the worker goes on: failing requests, slow orders, retries of another group."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from journeys.fetcher.failures import Meaning
from journeys.fetcher.progress import OpenOrder
from journeys.logs import log
from journeys.ops.failing import FailingRequests
from journeys.ops.health import Health
from journeys.ops.slow import SlowOrders
from journeys.worker.happenings import ForeignRetry, GateChanged, Happening, Measured, OrdersWaiting, RequestEnded

_FOREIGN_S = 3600.0
"""How long the retry of another group stays a reason: the delay of the longest tier by default."""


class FailingHook:
    """Reports in /readyz and the log that every request fails, unless the gate says so.

    `codes` has the meaning of each `code` of an answer. `monotonic` is in seconds.
    """

    follows: Final = (RequestEnded, OrdersWaiting, GateChanged)

    def __init__(
        self, health: Health, *, codes: Mapping[int, Meaning], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._health = health
        self._monotonic = monotonic
        self._requests = FailingRequests(codes)
        self._is_down = False
        self._is_failing = False

    def __call__(self, happening: Happening) -> None:
        """Count a request. About once a second, look at the time."""
        match happening:
            case RequestEnded(outcome, _, detail):
                self._requests.ended(outcome, self._monotonic(), detail)
            case OrdersWaiting():
                self._look()
            case GateChanged(reasons):
                self._is_down = "down" in reasons

    def _look(self) -> None:
        why = None if self._is_down else self._requests.why(self._monotonic())
        self._health.degraded("failing", why)
        if why is not None and not self._is_failing:
            log("api.failing", reason=why)
        elif why is None and self._is_failing and not self._is_down:
            log("api.recovered")
        self._is_failing = why is not None


class SlowHook:
    """Reports in /readyz and the log the orders that are slow. `slow_s` is JOURNEYS_ORDERS__SLOW, in seconds.

    `open_orders` returns the orders that are being fetched; it is called on the Kafka thread.
    """

    follows: Final = (Measured,)

    def __init__(self, health: Health, *, slow_s: float, open_orders: Callable[[], Sequence[OpenOrder]]) -> None:
        self._health = health
        self._open_orders = open_orders
        self._slow = SlowOrders(slow_s)

    def __call__(self, happening: Happening) -> None:
        """About once a second, look at the open orders."""
        match happening:
            case Measured():
                new, why = self._slow.look(self._open_orders())
                self._health.degraded("slow", why)
                for order in new:
                    log(
                        "order.slow",
                        order_id=order.order_id,
                        position=str(order.position),
                        seconds=round(order.busy_s, 1),
                        tries=order.tries,
                        last_failure=order.last_failure,
                    )


class ForeignHook:
    """Reports in /readyz that another group keeps retries in our retry topics. `monotonic` is in seconds."""

    follows: Final = (ForeignRetry, Measured)

    def __init__(self, health: Health, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._monotonic = monotonic
        self._seen_at = -math.inf

    def __call__(self, happening: Happening) -> None:
        """Note a foreign retry. About once a second, look at the time."""
        match happening:
            case ForeignRetry(message, group):
                self._seen_at = self._monotonic()
                self._health.degraded("foreign", f"{message.position} is a retry of the group {group}")
            case Measured() if self._monotonic() - self._seen_at >= _FOREIGN_S:
                self._health.degraded("foreign", None)
