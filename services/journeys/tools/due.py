"""When an order message that is not finished may be fetched, by the rules of the workers. No I/O."""

from __future__ import annotations

from journeys.model import OrderMessage
from journeys.routing import Routes
from journeys.settings import Settings
from journeys.worker.kafka_thread.scheduled import Schedule


class DueTimes:
    """The due times of order messages and retries, with these settings."""

    def __init__(self, settings: Settings) -> None:
        orders = settings.orders
        routes = Routes(
            group=settings.kafka.group_id,
            retry_tiers=orders.tiers,
            dead_letter=orders.dead_letter,
            empty_after=settings.api.empty_after,
        )
        tiers = frozenset(topic for topic, _ in orders.tiers)
        self._schedule = Schedule(retry_topics=tiers, longest_s=routes.longest, settle_s=settings.settle)

    def of(self, message: OrderMessage, now_ms: int) -> int | None:
        """When the message is due, milliseconds since the epoch; None if it is due already."""
        due_ms = self._schedule.due_ms(message, now_ms)
        return due_ms if due_ms is not None and due_ms > now_ms else None
