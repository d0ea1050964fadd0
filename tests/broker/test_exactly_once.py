"""The main job on real Kafka and a real registry: every journey whole and exactly once, whatever happens to workers."""

from __future__ import annotations

import signal

import pytest
from tests.broker.shop import KEY, open_shop
from tests.broker.workers import until

from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.stack.stack import Stack


def names(count: int) -> list[str]:
    """Order ids whose journeys have all sizes."""
    return [f"order-{number}" for number in range(count)]


@pytest.mark.slow
def test_two_workers_publish_2000_orders_exactly_once(stack: Stack, namespace: str) -> None:
    """Every event of 2,000 orders is read back once, decoded through the registry, equal to what the API holds."""
    with open_shop(stack, namespace) as shop:
        orders = names(1990) + [f"n{size}-big" for size in (0, 1, 99, 100, 101, 200, 201, 350)]
        orders += ["x-nullevent-n9-a", "x-odd-n12-b"]
        for worker in (shop.crew.hire(), shop.crew.hire()):
            worker.until_assigned()
        shop.place(*orders)
        shop.until_published(len(orders))
        assert [worker.stop() for worker in shop.crew.workers] == [0, 0]
        shop.audit(orders)
        assert shop.read(shop.dead_letters, shop.retries) == []
        assert all(worker.lines("order.published") for worker in shop.crew.workers), "both did a part of the work"


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_nothing(stack: Stack, namespace: str) -> None:
    """After each SIGKILL the next worker takes over and fetches no published order again.

    One slow order in each partition holds the watermark down, so that published orders lie beyond it.
    """
    with open_shop(stack, namespace, settings=ApiSettings(key=KEY, latency_s=0.05)) as shop:
        slow = [f"x-slow4000x1-n5-slow{number}" for number in range(6)]
        orders = slow + names(1200)
        shop.place(*orders)
        for share in (100, 400, 700):
            worker = shop.crew.hire()
            shop.until_published(share)
            worker.kill()
            published = shop.summaries()
            asked = {order: shop.api.stats.requests_of(order) for order in published}
        shop.crew.hire().until_assigned()  # else there may be nothing left to do, and it is stopped while it starts
        shop.until_published(len(orders))
        assert shop.crew.workers[-1].stop() == 0
        shop.audit(orders)
        again = {order for order, times in asked.items() if shop.api.stats.requests_of(order) != times}
        assert not again


@pytest.mark.slow
def test_rebalances_lose_and_double_nothing(stack: Stack, namespace: str) -> None:
    """A third worker joins, one leaves by SIGTERM, another by SIGINT: no order is lost or published twice."""
    with open_shop(stack, namespace, settings=ApiSettings(key=KEY, latency_s=0.2)) as shop:
        orders = names(1500)
        shop.place(*orders)
        environment = {"JOURNEYS_API__MAX_CONCURRENCY": "24"}
        first, second = shop.crew.hire(**environment), shop.crew.hire(**environment)
        shop.until_published(200)
        third = shop.crew.hire(**environment)
        third.until_assigned()
        shop.until_published(500)
        assert first.stop() == 0
        shop.until_published(900)
        assert second.stop(signal.SIGINT) == 0
        shop.until_published(len(orders))
        assert third.stop() == 0
        shop.audit(orders)


@pytest.mark.slow
def test_kip_848_rebalances_lose_and_double_nothing(stack: Stack, namespace: str) -> None:
    """With group.protocol=consumer (KIP-848), workers come and go; no order is lost or published twice."""
    environment = {"JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer", "JOURNEYS_KAFKA__CONFIG": "{}"}
    with open_shop(stack, namespace, settings=ApiSettings(key=KEY, latency_s=0.1), environment=environment) as shop:
        orders = names(800)
        shop.place(*orders)
        first = shop.crew.hire()
        shop.until_published(100)
        second = shop.crew.hire()
        second.until_assigned()
        shop.until_published(300)
        assert first.stop() == 0
        shop.until_published(len(orders))
        assert second.stop() == 0
        shop.audit(orders)


def test_sigterm_does_not_wait_for_slow_requests(stack: Stack, namespace: str) -> None:
    """SIGTERM ends a worker whose requests get no answer for an hour; it exits with 0, and its orders are not lost."""
    patient = {"JOURNEYS_API__READ_TIMEOUT": "1h", "JOURNEYS_API__TOTAL_TIMEOUT": "1h"}
    with open_shop(stack, namespace, environment=patient) as shop:
        hanging = [f"x-silentx1-n3-hang{number}" for number in range(50)]
        quick = names(20)
        shop.place(*quick, *hanging)
        worker = shop.crew.hire()
        shop.until_published(len(quick))
        until(lambda: shop.api.stats.in_flight >= len(hanging), "all hanging requests")
        assert worker.stop() == 0
        follower = shop.crew.hire()
        shop.until_published(len(quick) + len(hanging))
        assert follower.stop() == 0
        shop.audit(quick + hanging)


def test_repeated_signals_end_with_code_0(stack: Stack, namespace: str) -> None:
    """SIGTERM again and again, up to the very end of the process, changes nothing: the worker exits with 0."""
    with open_shop(stack, namespace) as shop:
        shop.place(*names(50))
        worker = shop.crew.hire()
        shop.until_published(50)
        while worker.process.poll() is None:
            worker.process.send_signal(signal.SIGTERM)
        assert worker.process.returncode == 0


def test_a_restarted_group_publishes_nothing_again(stack: Stack, namespace: str) -> None:
    """A worker that starts with every order done fetches nothing and publishes nothing."""
    with open_shop(stack, namespace) as shop:
        orders = names(60)
        shop.place(*orders)
        worker = shop.crew.hire()
        shop.until_published(len(orders))
        assert worker.stop() == 0
        requests = shop.api.stats.requests
        idle = shop.crew.hire()
        idle.until("orders.assigned")
        assert idle.stop() == 0
        assert shop.api.stats.requests == requests
        shop.audit(orders)
