"""Trouble in which the worker goes on: failing requests, slow orders, retries of another group."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from tests.support.happenings import finished, message_of
from tests.support.virtual_time import VirtualLoop, run

from journeys.consumer.order_message import OrderMessageReader
from journeys.errors import TransientError
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.failures import failure
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer
from journeys.fetcher.progress import OpenOrder
from journeys.logs import configure
from journeys.model import Position
from journeys.ops.health import Health
from journeys.worker.happenings import ForeignRetry, Hooks, Measured, OrdersWaiting, RequestEnded
from journeys.worker.hooks.degraded import FailingHook, ForeignHook, SlowHook
from journeys.worker.hooks.log_lines import LogHook


def test_worker_is_degraded_while_every_request_fails() -> None:
    """Also without a new request; the log has one line when it begins and one when it ends."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    now = [0.0]
    health = Health()
    hook = FailingHook(health, codes={}, monotonic=lambda: now[0])
    hook(RequestEnded("connect", 0.1))
    seen = []
    for now[0] in (20.0, 31.0, 32.0):
        hook(OrdersWaiting(0, None))
        seen.append("failing" in health.readiness().degraded)
    hook(RequestEnded("ok", 0.1))
    hook(OrdersWaiting(0, None))
    assert (seen, health.readiness().degraded) == ([False, True, True], {})
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["api.failing", "api.recovered"]


def test_shut_gate_is_the_only_reason_while_the_api_is_down() -> None:
    """The gate reports the outage and its end, also if single requests failed before."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    now = [0.0]
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), FailingHook(health, codes={}, monotonic=lambda: now[0]))
    hooks.request("connect", 0.1, "", 1)
    seen = []
    gates: list[dict[Reason, str]] = [{}, {"down": "20 in a row failed"}, {"down": "20 in a row failed"}]
    for now[0], reasons in zip((31.0, 32.0, 90.0), gates, strict=True):
        hooks.gate(reasons)
        hooks.notify(OrdersWaiting(0, None))
        seen.append("failing" in health.readiness().degraded)
    hooks.request("ok", 0.1, "", 1)
    hooks.gate({})
    hooks.notify(OrdersWaiting(0, None))
    assert (seen, health.readiness().degraded) == ([True, False, False], {})
    events = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert events == ["api.failing", "api.failing", "api.recovered"]


def test_few_orders_with_an_unreachable_api_degrade_the_worker() -> None:
    """Four requests for an order each 20 s are too few to shut the gate. Each of them fails."""
    health = Health()

    class Unreachable:
        """An API that refuses connections."""

        async def ask(self, order_id: str, page: int) -> Answer:
            """Nothing listens there."""
            raise failure("connect", f"the API refuses connections for page {page} of {order_id}")

        def refresh_key(self) -> None:
            """The key is not at fault."""

    async def work(loop: VirtualLoop) -> list[str | None]:
        hooks = Hooks(FailingHook(health, codes={}, monotonic=loop.time))
        keeper = Gatekeeper(Gate(), RateLimiter(), slots=9, chance=lambda: 0.5, changed=hooks.gate, clock=loop.clock)
        fetcher = Fetcher(Unreachable(), Policy(), keeper=keeper, observer=hooks, chance=lambda: 0.5, clock=loop.clock)
        seen: list[str | None] = []
        for number in range(3):
            order = OrderMessageReader(account="default", decode_avro=str).read(message_of(f"A-{number}"))
            with pytest.raises(TransientError):
                await fetcher.fetch(order)
            await asyncio.sleep(20)
            hooks.notify(OrdersWaiting(0, None))
            trouble = health.readiness().degraded.get("failing")
            seen.append(None if trouble is None else trouble.why)
        assert not keeper.is_shut
        return seen

    early, later, latest = run(work)
    assert early is None
    for why, requests in ((later, 8), (latest, 12)):
        assert f"all requests failed since the last answer ({requests})" in str(why)
        assert "connect (the API refuses connections" in str(why)


def test_slow_order_is_logged_once_and_degrades_the_worker_until_it_ends() -> None:
    """The line names it, with its tries and its last failure."""
    out, health = io.StringIO(), Health()
    configure(log_format="json", stream=out)
    position = Position(topic="orders", partition=0, offset=7)
    orders: list[OpenOrder] = []
    hook = SlowHook(health, slow_s=30.0, open_orders=lambda: orders)
    seen = []
    for busy_s in (29.0, 30.04, 31.0, None):
        failed = "timeout (the API did not answer in time)"
        orders[:] = (
            []
            if busy_s is None
            else [OpenOrder(order_id="A-1", position=position, busy_s=busy_s, tries=2, last_failure=failed)]
        )
        hook(Measured(1, {}, 0.0))
        seen.append("slow" in health.readiness().degraded)
    assert seen == [False, True, True, False]
    [line] = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (line["event"], line["level"], line["order_id"]) == ("order.slow", "warning", "A-1")
    assert (line["position"], line["seconds"], line["tries"], line["last_failure"]) == ("orders/0/7", 30.0, 2, failed)


def test_foreign_retry_degrades_the_worker_for_an_hour() -> None:
    """The newest one is named; an hour without one means that the other group has its own topics by now."""
    now, health = [0.0], Health()
    hook = ForeignHook(health, monotonic=lambda: now[0])
    message = finished("retried", "orders.retry.1m").message
    hook(Measured(0, {}, 0.0))
    assert health.readiness().degraded == {}
    seen = []
    for at, group in ((0.0, "eu"), (3000.0, "us"), (6599.0, None), (6600.0, None)):
        now[0] = at
        hook(Measured(0, {}, 0.0) if group is None else ForeignRetry(message, group))
        trouble = health.readiness().degraded.get("foreign")
        seen.append(trouble and trouble.why)
    assert seen == [
        "orders/0/7 is a retry of the group eu",
        "orders/0/7 is a retry of the group us",
        "orders/0/7 is a retry of the group us",
        None,
    ]
