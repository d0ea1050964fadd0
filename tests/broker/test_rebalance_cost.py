"""What a rebalance costs while every request is slow: next to nothing, and no order is waited for."""

from __future__ import annotations

import pytest
from tests.broker.shop import KEY, open_shop
from tests.broker.workers import Worker, until

from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.stack.stack import Stack

IN_TIME = 10.0
"""Seconds, generously: a revoke means to be over in 5. The requests under way would take a minute."""
SLOW = [f"x-slow60000x1-n2-slow{number}" for number in range(128)]
"""Each is answered after a minute when it is asked for the first time, at once when it is asked for again."""
QUICK = [f"n3-quick{number}" for number in range(60)]
PATIENT = {
    "JOURNEYS_API__READ_TIMEOUT": "2m",
    "JOURNEYS_API__TOTAL_TIMEOUT": "2m",
    # What is quick is finished long before it would be committed: that is left to the revoke.
    "JOURNEYS_PUBLISH__LINGER": "10s",
    # Room for the quick ones beside those that are slow.
    "JOURNEYS_API__MAX_CONCURRENCY": "160",
}
KIP_848 = {"JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer", "JOURNEYS_KAFKA__CONFIG": "{}"}


def published(worker: Worker) -> set[str]:
    """The orders that it published."""
    return {line["order_id"] for line in worker.lines("order.published")}


def cancelled(worker: Worker, topic: str) -> list[str]:
    """The partitions of orders that it was told to give back."""
    return [name for line in worker.lines("orders.revoked") for name in line["partitions"] if name.startswith(topic)]


@pytest.mark.parametrize("protocol", [{}, KIP_848], ids=["classic", "consumer"])
def test_a_rebalance_cancels_slow_requests(stack: Stack, namespace: str, protocol: dict[str, str]) -> None:
    """With 128 slow requests under way, a revoke commits the finished orders and cancels the requests of the others."""
    settings = ApiSettings(key=KEY)
    with open_shop(stack, namespace, settings=settings, environment={**PATIENT, **protocol}) as shop:
        old = shop.crew.hire()
        old.until_assigned()
        shop.place(*SLOW, *QUICK)
        until(lambda: shop.api.stats.requests == len(SLOW) + len(QUICK), "every order to be asked for")
        until(lambda: shop.api.stats.in_flight == len(SLOW), "the quick ones to be answered")
        new = shop.crew.hire()
        new.until("worker.started")
        until(lambda: bool(cancelled(old, shop.orders)), "partitions to be given up", patience=IN_TIME)
        until(lambda: shop.api.stats.in_flight < len(SLOW), "their requests to be cancelled", patience=IN_TIME)
        moved = [order for order, place in placed(shop.orders).items() if place in cancelled(old, shop.orders)]
        assert published(old) == set(moved) & set(QUICK)
        # The requests of partitions that the old one keeps go on; those of the others are asked for anew.
        until(lambda: published(new) == set(moved) - set(QUICK), "the new owner to take them up")
        assert old.stop(patience=IN_TIME) == 0
        shop.until_published(len(SLOW) + len(QUICK))
        assert new.stop() == 0
        assert published(old) == set(QUICK)
        shop.audit([*SLOW, *QUICK])


def placed(topic: str) -> dict[str, str]:
    """The partition of each order: they go round."""
    return {order: f"{topic}/{number % 6}" for number, order in enumerate([*SLOW, *QUICK], start=1)}
