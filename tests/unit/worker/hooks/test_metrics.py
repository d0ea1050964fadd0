"""Counts of what happens in the worker."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace
from tests.support.happenings import ORDERS, finished, order_of

from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import Assigned, RequestEnded, Revoked, TransactionEnded
from journeys.worker.hooks.metrics import MetricsHook


def test_only_a_committed_transaction_counts_orders_and_events() -> None:
    """Any other one counts as a transaction alone. A fence has an unknown outcome, and is counted apart."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={"journey.ads": "ads"}, rejected_topic="journey.rejected", codes={})
    for outcome in Outcome:
        hook(TransactionEnded(Result(outcome=outcome), ORDERS, 0.1))
    hook(TransactionEnded(Result(outcome=Outcome.UNKNOWN, fenced=True), ORDERS, 0.1))
    shown = {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    for became in ("published", "retried", "dead-lettered"):
        assert shown[f"journeys_orders_total['{became}']"] == 1
    assert shown["journeys_events_total['ads']"] == 2
    assert shown["journeys_events_rejected_total[]"] == 1
    assert shown["journeys_retries_total['orders.retry.1m', 'status-503']"] == 1
    assert shown["journeys_dead_letters_total['status-400']"] == 1
    for ended in ("committed", "aborted", "unknown", "fenced"):
        assert shown[f"journeys_transactions_total['{ended}']"] == 1


def test_time_to_commit_begins_with_the_first_order_message() -> None:
    """A retry has its own record time, and `Order` the first one's. A clock that is ahead counts as no time."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected", codes={}, wall=lambda: 1000.0)
    plain = finished("published", "journey.ads")
    orders = [replace(plain, order=order_of(written_ms=written_ms)) for written_ms in (970_000, 1_000_500, None)]
    failed = replace(finished("retried", "orders.retry.1m"), order=order_of(written_ms=1))
    hook(TransactionEnded(Result(outcome=Outcome.COMMITTED), [*orders, failed], 0.1))
    assert metrics.registry.get_sample_value("journeys_order_to_commit_seconds_count") == 2
    assert metrics.registry.get_sample_value("journeys_order_to_commit_seconds_sum") == 30.0


def test_failed_requests_are_counted_by_reason_from_zero() -> None:
    """The first failure is an increase; an answer and a cancelled request are no failures."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected", codes={})
    value = partial(metrics.registry.get_sample_value, "journeys_request_failures_total")
    assert value({"reason": "timeout"}) == 0
    for outcome in ("ok", "timeout", "cancelled"):
        hook(RequestEnded(outcome, 0.1))
    assert value({"reason": "timeout"}) == 1
    assert (value({"reason": "ok"}), value({"reason": "cancelled"})) == (None, None)


def test_throttled_requests_are_counted_by_their_meaning() -> None:
    """An API may throttle with a `code` instead of HTTP 429; the settings say which one."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected", codes={4001: "auth", 4290: "pace"})
    for outcome in ("ok", "status-429", "code-4290", "code-4001", "code-7", "cancelled"):
        hook(RequestEnded(outcome, 0.1))
    assert metrics.registry.get_sample_value("journeys_requests_throttled_total") == 2


def test_rebalances_are_counted_by_what_they_change() -> None:
    """From zero. A rebalance of the group that brings this worker nothing is none of its own."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected", codes={})
    value = partial(metrics.registry.get_sample_value, "journeys_rebalances_total")
    assert value({"change": "lost"}) == 0
    for change in (Assigned([("orders", 0)]), Assigned([]), Revoked([("orders", 0)], lost=False)):
        hook(change)
    assert [value({"change": change}) for change in ("assigned", "revoked", "lost")] == [1, 1, 0]
    hook(Revoked([("orders", 0)], lost=True))
    assert [value({"change": change}) for change in ("assigned", "revoked", "lost")] == [1, 1, 1]
