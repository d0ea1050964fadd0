"""Log lines of what happens in the worker."""

from __future__ import annotations

import io
import json

from tests.support.happenings import ORDERS, finished

from journeys.logs import configure
from journeys.model import Position
from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import ForeignRetry, Hooks, OrdersWaiting, TopicsWithoutIds, TransactionEnded
from journeys.worker.hooks.log_lines import LogHook
from journeys.worker.hooks.metrics import MetricsHook


def test_published_orders_are_logged_only_after_their_commit() -> None:
    """A line for each order that is retried or dead-lettered; one for each published order at the debug level."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    hook = LogHook(rejected_topic="journey.rejected")
    letter = Position(topic="orders.dead-letter", partition=3, offset=17)
    for outcome in (Outcome.ABORTED, Outcome.COMMITTED):
        hook(TransactionEnded(Result(outcome=outcome, reason="a rebalance", positions={2: letter}), ORDERS, 0.1234))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "transaction.aborted",
        "events.rejected",
        "order.retried",
        "order.dead_lettered",
    ]
    assert (lines[0]["orders"], lines[0]["seconds"], lines[0]["reason"]) == (4, 0.123, "a rebalance")
    assert (lines[2]["position"], lines[2]["records"], lines[2]["reason"]) == ("orders/0/7", 1, "status-503")
    assert [(line["source"], line["sent_to"]) for line in lines[2:]] == [
        ("orders/0/7", "orders.retry.1m"),
        ("orders/0/7", "orders.dead-letter/3/17"),
    ]


def test_waiting_orders_are_logged_once() -> None:
    """With the time when the next of them is due."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    hook = LogHook(rejected_topic="rejected")
    for orders in (2, 3, 0, 1):
        hook(OrdersWaiting(orders, 1_700_000_000.5 if orders else None))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["orders"], line["next_due"]) for line in lines] == [
        ("orders.waiting", 2, "2023-11-14T22:13:20.500000+00:00"),
        ("orders.waiting", 1, "2023-11-14T22:13:20.500000+00:00"),
    ]


def test_waiting_line_names_the_setting_that_orders_wait_for() -> None:
    """With the defaults the first order waits for 30 minutes."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    for settle_s in (1800.0, 0.0):
        LogHook(rejected_topic="rejected", settle_s=settle_s)(OrdersWaiting(2, 1_700_000_000.5))
    settling, retrying = [json.loads(line)["reason"] for line in out.getvalue().splitlines()]
    assert "JOURNEYS_ORDERS__SETTLE (30m)" in settling
    assert "SETTLE" not in retrying


def test_brokers_without_topic_ids_are_in_the_log() -> None:
    """The line says what is not noticed then, and why."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    Hooks(LogHook(rejected_topic="rejected")).notify(TopicsWithoutIds("orders", "the brokers are old"))
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["event"], line["level"], line["topic"]) == ("topic.without_id", "warning", "orders")
    assert line["reason"].endswith("is not noticed: the brokers are old")


def test_foreign_retries_are_counted_and_their_group_is_logged_once() -> None:
    """An operator learns which other group shares the retry topics."""
    out, metrics = io.StringIO(), Metrics()
    configure(log_format="json", stream=out)
    counts = MetricsHook(metrics, channels={}, rejected_topic="rejected", codes={})
    hooks = Hooks(counts, LogHook(rejected_topic="rejected"))
    message = finished("retried", "orders.retry.1m").message
    for group in ("eu", "us", "eu"):
        hooks.notify(ForeignRetry(message, group))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["group"]) for line in lines] == [
        ("retry.foreign", "warning", "eu"),
        ("retry.foreign", "warning", "us"),
    ]
    assert metrics.registry.get_sample_value("journeys_retries_foreign_total") == 3
