"""A worker that is stuck says so, with where; its probe fails, and both end when it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.broker import hanging
from tests.broker.ops import address_of, measured, reasons, walk
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import until

from journeys_sandbox.stack.stack import Stack

IMPATIENT = {"JOURNEYS_OPS__STALLED_AFTER": "5s", "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": "60s"}


@pytest.fixture
def own_shop(own_stack: Stack, namespace: str) -> Iterator[Shop]:
    """A shop whose broker may be stopped: no other test uses it."""
    with open_shop(own_stack, namespace, environment=IMPATIENT) as made:
        yield made


@pytest.mark.slow
def test_the_watchdog_reports_a_kafka_thread_that_hangs_in_a_transaction(own_shop: Shop) -> None:
    """The broker falls silent during the work: the log line shows the call, and the probe gives the reason."""
    broker = own_shop.stack.broker.pid
    assert broker is not None
    orders = [f"order-{number}" for number in range(400)]
    worker = own_shop.crew.hire(JOURNEYS_ORDERS__MAX_IN_HAND="50")
    address = address_of(worker)
    worker.until("orders.assigned", times=2)
    until(lambda: reasons(address, "/healthz") == {}, "a healthy worker")
    own_shop.place(*orders)
    worker.until("transaction.committed", times=3)
    os.kill(broker, signal.SIGSTOP)
    try:
        [stuck] = worker.until("worker.stuck")
        assert (stuck["part"], stuck["level"]) == ("kafka", "error")
        assert "no sign of life" in stuck["reason"]
        assert any(line.endswith("Publisher.publish") for line in stuck["stack"])
        assert list(reasons(address, "/healthz")) == ["kafka"]
        assert max(measured(address)["journeys_orders_oldest_seconds"].values()) >= 2
    finally:
        os.kill(broker, signal.SIGCONT)
    worker.until("worker.unstuck")
    until(lambda: reasons(address, "/healthz") == {}, "a healthy worker")
    own_shop.until_published(len(orders))
    until(lambda: max(measured(address)["journeys_orders_oldest_seconds"].values()) == 0, "nothing in hand")
    assert len(measured(address)["journeys_commit_age_seconds"]) == 12, "six partitions of orders, six of the tier"
    assert worker.stop() == 0
    own_shop.audit(orders)


@pytest.mark.parametrize(
    ("order", "part", "where"), [("blocks", "loop", " block"), ("hangs", "order", " hang")], ids=["loop", "order"]
)
def test_the_watchdog_reports_a_hang_and_its_end(
    stack: Stack, namespace: str, order: str, part: str, where: str
) -> None:
    """A loop that is blocked answers no probe; where one order alone does not get on, the probe says which."""
    with open_shop(stack, namespace, environment={"JOURNEYS_OPS__STALLED_AFTER": "5s"}) as shop:
        go_on = shop.directory / "go-on"
        worker = shop.crew.hire(str(Path(hanging.__file__)), **{hanging.UNTIL: str(go_on)})
        address = address_of(worker)
        worker.until_assigned()
        until(lambda: reasons(address, "/healthz") == {}, "a healthy worker")
        shop.place(order)
        until(lambda: part in {line["part"] for line in worker.lines("worker.stuck")}, "a line about the part")
        by_part = {line["part"]: line for line in worker.lines("worker.stuck")}
        assert by_part.keys() <= {part, "order"}, "an order of a blocked loop does not get on either"
        stuck = by_part[part]
        assert stuck["level"] == "error"
        assert any(line.endswith(where) for line in stuck["stack"]), stuck["stack"]
        if part == "loop":
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{address}/healthz", timeout=0.5, trust_env=False)
        else:
            assert reasons(address, "/healthz")[part].startswith(f"{shop.orders}/1/0 does not get on for ")
            walk("A worker is stuck", worker, address)
        go_on.touch()
        worker.until("worker.unstuck")
        until(lambda: reasons(address, "/healthz") == {}, "a healthy worker")
        shop.until_published(1)
        assert worker.stop() == 0
        shop.audit([order])
