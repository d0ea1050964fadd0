"""When an order message that is not finished may be fetched, by the rules of the workers. No I/O."""

from __future__ import annotations

from journeys.model import OrderMessage
from journeys.routing import longest_delay_s
from journeys.settings import Settings
from journeys.worker.kafka_thread.scheduled import Schedule


class DueTimes:
    """The due times of order messages and retries, with these settings."""

    def __init__(self, settings: Settings) -> None:
        orders = settings.orders
        self._schedule = Schedule(
            retry_topics=frozenset(orders.retry_topics),
            longest_s=longest_delay_s(orders.tiers, settings.api.empty_after),
            settle_s=settings.settle,
        )

    def of(self, message: OrderMessage, now_ms: int) -> int | None:
        """When the message is due, milliseconds since the epoch; None if it is due already."""
        due_ms = self._schedule.due_ms(message, now_ms)
        return due_ms if due_ms is not None and due_ms > now_ms else None
