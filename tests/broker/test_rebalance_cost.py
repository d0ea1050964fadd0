"""A rebalance while requests are slow: the worker waits for none of them."""

from __future__ import annotations

import signal

import pytest
from tests.broker.shop import KEY, open_shop
from tests.broker.workers import Worker, until

from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.stack.stack import Stack

SLOW = [f"x-silentx1-n2-slow{number}" for number in range(128)]
"""The API never answers the first request for such an order; it answers the next one at once."""
QUICK = [f"n3-quick{number}" for number in range(60)]
PATIENT = {
    # No worker dies here, so no time-out need be short: a busy machine must not look like a dead worker.
    "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": "1m",
    # A worker that waits for one of the slow requests waits for longer than the test does.
    "JOURNEYS_API__READ_TIMEOUT": "1h",
    "JOURNEYS_API__TOTAL_TIMEOUT": "1h",
    # The quick orders are finished before this is over, so the revoke has to commit them.
    "JOURNEYS_PUBLISH__LINGER": "10s",
    # Enough for the quick orders beside the slow ones.
    "JOURNEYS_API__MAX_CONCURRENCY": "160",
}
CLASSIC = {"JOURNEYS_KAFKA__CONFIG": '{"session.timeout.ms": 30000, "heartbeat.interval.ms": 500}'}
KIP_848 = {"JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer", "JOURNEYS_KAFKA__CONFIG": "{}"}


def published(worker: Worker) -> set[str]:
    """The orders that this worker published."""
    return {line["order_id"] for line in worker.lines("order.published")}


def cancelled(worker: Worker, topic: str) -> list[str]:
    """The partitions of orders that were revoked from this worker."""
    return [name for line in worker.lines("orders.revoked") for name in line["partitions"] if name.startswith(topic)]


@pytest.mark.parametrize("protocol", [CLASSIC, KIP_848], ids=["classic", "consumer"])
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
        until(lambda: bool(cancelled(old, shop.orders)), "partitions to be revoked")
        until(lambda: shop.api.stats.in_flight < len(SLOW), "their requests to be cancelled")
        # The requests of partitions that the old owner keeps go on; the new owner asks again for the others.
        until(lambda: published(new) == moved(old, shop.orders) - set(QUICK), "the new owner to publish the rest")
        assert published(old) >= moved(old, shop.orders) & set(QUICK), "finished orders are committed by their owner"
        assert old.stop() == 0
        shop.until_published(len(SLOW) + len(QUICK))
        assert new.stop() == 0
        assert published(old) == set(QUICK)
        shop.audit([*SLOW, *QUICK])


def test_killed_static_worker_restarts_without_a_rebalance(stack: Stack, namespace: str) -> None:
    """Within the session time-out it gets its own partitions back, and no partition of the other worker moves."""
    static = {"JOURNEYS_KAFKA__STATIC": "true", "JOURNEYS_KAFKA__INSTANCE_ID": "stays"}
    environment = {**static, "JOURNEYS_KAFKA__CONFIG": "{}"}
    with open_shop(stack, namespace, environment=environment) as shop:
        stays = shop.crew.hire()
        stays.until_assigned()
        killed = shop.crew.hire(JOURNEYS_KAFKA__INSTANCE_ID="restarts")
        until(lambda: len(changes(killed)) == 6, "half of the partitions of both groups")
        before = changes(stays)
        killed.stop(signal.SIGKILL)
        restarted = shop.crew.hire(JOURNEYS_KAFKA__INSTANCE_ID="restarts")
        shop.place(*QUICK)
        shop.until_published(len(QUICK))
        assert sorted(changes(restarted)) == sorted(changes(killed))
        assert changes(stays) == before
        assert [worker.stop() for worker in (stays, restarted)] == [0, 0]
        shop.audit(QUICK)


def changes(worker: Worker) -> list[str]:
    """The partitions that were assigned to this worker or revoked from it, in this order."""
    lines = [*worker.lines("orders.assigned"), *worker.lines("orders.revoked"), *worker.lines("orders.lost")]
    return [name for line in lines for name in line["partitions"]]


def moved(worker: Worker, topic: str) -> set[str]:
    """The orders of the partitions that were revoked from this worker."""
    gone = cancelled(worker, topic)
    return {order for order, partition in placed(topic).items() if partition in gone}


def placed(topic: str) -> dict[str, str]:
    """The partition of each order: `Shop.place` spreads them round-robin."""
    return {order: f"{topic}/{number % 6}" for number, order in enumerate([*SLOW, *QUICK], start=1)}
