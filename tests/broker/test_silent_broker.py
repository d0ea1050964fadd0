"""A worker ends while its broker is silent, and the next one loses and doubles nothing.

The broker goes on only after the worker has ended: so no answer of the broker is what ended it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.broker.ops import address_of, reasons, stay_healthy
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import until

from journeys_sandbox.stack.stack import Stack

ORDERS = [f"order-{number}" for number in range(600)]


@pytest.fixture
def shop(own_stack: Stack, namespace: str) -> Iterator[Shop]:
    """A shop whose broker may be stopped: no other test uses it."""
    environment = {"JOURNEYS_ORDERS__MAX_IN_HAND": "50"}
    with open_shop(own_stack, namespace, environment=environment) as made:
        yield made


def test_sigterm_ends_a_worker_while_the_broker_is_silent(shop: Shop) -> None:
    """SIGTERM during the work, with no answer from Kafka: the worker exits with 0, and the next one goes on."""
    broker = shop.stack.broker.pid
    assert broker is not None
    shop.place(*ORDERS)
    worker = shop.crew.hire()
    worker.until("transaction.committed", times=3)
    os.kill(broker, signal.SIGSTOP)
    try:
        assert worker.stop() == 0, worker.raw()[-3000:]
    finally:
        os.kill(broker, signal.SIGCONT)
    shop.stack.broker.kill()  # a broker that was stopped may take minutes to find itself again; that is not tested here
    shop.stack.broker.restart()
    shop.crew.hire()
    shop.until_published(len(ORDERS))
    shop.audit(ORDERS)


def test_a_second_sigterm_changes_nothing(shop: Shop) -> None:
    """A second SIGTERM leads to the same clean end."""
    broker = shop.stack.broker.pid
    assert broker is not None
    worker = shop.crew.hire()
    worker.until("orders.assigned")
    os.kill(broker, signal.SIGSTOP)
    try:
        worker.process.send_signal(signal.SIGTERM)
        worker.until("worker.stopping")
        assert worker.stop(signal.SIGINT) == 0, worker.raw()[-3000:]
    finally:
        os.kill(broker, signal.SIGCONT)


def test_idle_worker_says_that_the_brokers_are_gone(shop: Shop) -> None:
    """No order comes, and the broker stops: the worker is not ready until the broker is back."""
    worker = shop.crew.hire()
    worker.until_assigned()
    address = address_of(worker)
    until(lambda: reasons(address) == {}, "the worker to be ready")
    stay_healthy(worker, address)
    shop.stack.broker.kill()
    until(lambda: "no broker answers" in reasons(address).get("group", ""), "the reason in /readyz")
    shop.stack.broker.restart()
    until(lambda: reasons(address) == {}, "the worker to be ready again")
    assert worker.stop() == 0
