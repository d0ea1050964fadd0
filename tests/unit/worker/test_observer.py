"""The worker's hooks: its metrics, its log lines, and whether it is ready."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
from functools import partial

import pytest
from msgspec.structs import replace
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
from journeys.model import Order, OrderMessage, Position, Record
from journeys.ops.health import Health, Unready
from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome, Result
from journeys.worker.handover import FinishedOrder
from journeys.worker.hooks import (
    Assigned,
    ForeignRetry,
    GroupsChanged,
    Happening,
    Hooks,
    KafkaUnreachable,
    Measured,
    OrdersWaiting,
    OrderTopicsMissing,
    OutcomeRecovered,
    RequestEnded,
    Revoked,
    TopicsWithoutIds,
    TransactionEnded,
)
from journeys.worker.observer import (
    FailingHook,
    ForeignHook,
    LogHook,
    MetricsHook,
    ReadinessHook,
    SlowHook,
    SummaryHook,
)


def why(health: Health, reason: Unready) -> str | None:
    """The text of an unready reason; None if it does not hold."""
    trouble = health.readiness().unready.get(reason)
    return None if trouble is None else trouble.why


@pytest.mark.parametrize("hook", [MetricsHook, LogHook, ReadinessHook, SummaryHook, FailingHook, SlowHook, ForeignHook])
def test_a_hook_follows_the_happenings_that_it_matches(hook: type[LogHook]) -> None:
    """A kind with a case and no entry in `follows` would never arrive."""
    patterns = [node.cls for node in ast.walk(ast.parse(inspect.getsource(hook))) if isinstance(node, ast.MatchClass)]
    assert sorted(kind.__name__ for kind in hook.follows) == sorted({ast.unparse(pattern) for pattern in patterns})


def test_worker_is_unready_while_a_group_has_an_obstacle() -> None:
    """Each group is named with its own reason; each new reason is logged once, and the end of the last one too."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    seen = []
    for obstacles in (
        {"journeys": "the group is full", "journeys.retry": "not a member of the group yet"},
        {"journeys": "the group is full"},
        {},
    ):
        hooks.notify(GroupsChanged(obstacles))
        seen.append(why(health, "group"))
    assert seen == [
        "journeys: the group is full; journeys.retry: not a member of the group yet",
        "journeys: the group is full",
        None,
    ]
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["group"]) for line in lines] == [
        ("group.waiting", "journeys"),
        ("group.waiting", "journeys.retry"),
        ("group.joined", "journeys.retry"),
        ("group.joined", "journeys"),
    ]


def test_gate_reasons_are_logged_once_and_in_readyz() -> None:
    """Readiness names every reason; each is logged once when it comes and once when it goes; a pause only comes."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    stages: list[dict[Reason, str]] = [
        {"down": "10 in a row failed"},
        {"down": "10 in a row failed", "flood": "50 in a row became dead letters"},
        {"flood": "50 in a row became dead letters"},
        {"pace": "a pause of 5 s"},
        {},
    ]
    for reasons in stages:
        hooks.gate(reasons)
        assert (why(health, "down"), why(health, "flood")) == (reasons.get("down"), reasons.get("flood"))
        pace = health.readiness().degraded.get("pace")
        assert (pace and pace.why) == reasons.get("pace")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == [
        "api.failing",
        "dead_letters.flood",
        "api.recovered",
        "api.paused",
        "dead_letters.resumed",
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


def test_awaited_registry_is_logged_once_and_in_readyz() -> None:
    """Readiness has the newest reason for as long as they wait."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    seen = []
    for reason in ("it answers HTTP 503", "it cannot be asked", None, "it answers HTTP 401"):
        hooks.registry(reason)
        seen.append(why(health, "registry"))
    assert seen == [
        "orders in Avro wait for their schemas: it answers HTTP 503",
        "orders in Avro wait for their schemas: it cannot be asked",
        None,
        "orders in Avro wait for their schemas: it answers HTTP 401",
    ]
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["reason"]) for line in lines] == [
        ("registry.failing", "warning", "it answers HTTP 503"),
        ("registry.failing", "warning", "it answers HTTP 401"),
    ]


def message_of(order_id: str) -> OrderMessage:
    """An order message, always at the same position."""
    position = Position(topic="orders", partition=0, offset=7)
    return OrderMessage(position=position, key=None, value=order_id.encode(), headers=(), timestamp_ms=None)


def finished(outcome: str, *topics: str, reason: str | None = None) -> FinishedOrder:
    """A finished order with a record for each of these topics."""
    message = message_of("A-1")
    records = [Record(topic=topic, key=b"k", value=b"v", headers=[]) for topic in topics]
    return FinishedOrder(
        epoch=1, message=message, outcome=outcome, records=records, size=0, at=0.0, order=None, reason=reason
    )


def order_of(*, written_ms: int | None) -> Order:
    """An order whose first message has this time, in milliseconds since the epoch."""
    return Order(
        order_id="A-1",
        account="default",
        edition="orders/0/7",
        timestamp_ms=written_ms,
        attempt=1,
        absences=0,
        message=message_of("A-1"),
    )


ORDERS = (
    finished("published", "journey.ads", "journey.ads", "journey.rejected"),
    finished("retried", "orders.retry.1m", reason="status-503"),
    finished("dead-lettered", "orders.dead-letter", reason="status-400"),
    finished("skipped"),
)


def test_only_a_committed_transaction_counts_orders_and_events() -> None:
    """An aborted or unknown one counts as a transaction alone: its orders are sent again."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={"journey.ads": "ads"}, rejected_topic="journey.rejected")
    for outcome in Outcome:
        hook(TransactionEnded(Result(outcome=outcome), ORDERS, 0.1))
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
    for ended in ("committed", "aborted", "unknown"):
        assert shown[f"journeys_transactions_total['{ended}']"] == 1


def test_time_to_commit_begins_with_the_first_order_message() -> None:
    """A retry has its own record time, and `Order` the first one's. A clock that is ahead counts as no time."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected", wall=lambda: 1000.0)
    plain = finished("published", "journey.ads")
    orders = [replace(plain, order=order_of(written_ms=written_ms)) for written_ms in (970_000, 1_000_500, None)]
    failed = replace(finished("retried", "orders.retry.1m"), order=order_of(written_ms=1))
    hook(TransactionEnded(Result(outcome=Outcome.COMMITTED), [*orders, failed], 0.1))
    assert metrics.registry.get_sample_value("journeys_order_to_commit_seconds_count") == 2
    assert metrics.registry.get_sample_value("journeys_order_to_commit_seconds_sum") == 30.0


def test_failed_requests_are_counted_by_reason_from_zero() -> None:
    """The first failure is an increase; an answer and a cancelled request are no failures."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected")
    value = partial(metrics.registry.get_sample_value, "journeys_request_failures_total")
    assert value({"reason": "timeout"}) == 0
    for outcome in ("ok", "timeout", "cancelled"):
        hook(RequestEnded(outcome, 0.1))
    assert value({"reason": "timeout"}) == 1
    assert (value({"reason": "ok"}), value({"reason": "cancelled"})) == (None, None)


def test_rebalances_are_counted_by_what_they_change() -> None:
    """From zero. A rebalance of the group that brings this worker nothing is none of its own."""
    metrics = Metrics()
    hook = MetricsHook(metrics, channels={}, rejected_topic="journey.rejected")
    value = partial(metrics.registry.get_sample_value, "journeys_rebalances_total")
    assert value({"change": "lost"}) == 0
    for change in (Assigned([("orders", 0)]), Assigned([]), Revoked([("orders", 0)], lost=False)):
        hook(change)
    assert [value({"change": change}) for change in ("assigned", "revoked", "lost")] == [1, 1, 0]
    hook(Revoked([("orders", 0)], lost=True))
    assert [value({"change": change}) for change in ("assigned", "revoked", "lost")] == [1, 1, 1]


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


def test_an_unknown_outcome_makes_the_worker_unready_until_it_is_read_back() -> None:
    """Also while Kafka does not answer the question."""
    health = Health()
    hook = ReadinessHook(health)
    seen = []
    for happening in (
        OutcomeRecovered(published=0, owed=0),
        TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1),
        KafkaUnreachable("no answer"),
        OutcomeRecovered(published=1, owed=0),
    ):
        hook(happening)
        seen.append(why(health, "producer"))
    assert seen == [
        None,
        "the outcome of the last transaction is being read back",
        "Kafka does not answer: no answer",
        None,
    ]


def aborted(*, missing: str | None = None, forbidden: str | None = None) -> TransactionEnded:
    """An aborted transaction, because of one of these topics."""
    reason = "NOT_ENOUGH_REPLICAS: too few"
    result = Result(outcome=Outcome.ABORTED, reason=reason, missing_topic=missing, forbidden_topic=forbidden)
    return TransactionEnded(result, (), 0.1)


COMMITTED = TransactionEnded(Result(outcome=Outcome.COMMITTED), (), 0.1)


def test_three_transactions_without_a_commit_make_the_worker_unready() -> None:
    """Whatever the cause, also if outcomes are read back in between. A commit ends it, a rebalance resets the count."""
    health = Health()
    hook = ReadinessHook(health)
    hook(OutcomeRecovered(published=0, owed=0))
    before: tuple[Happening, ...] = (aborted(), aborted(), Revoked((), lost=False), aborted(), aborted())
    for happening in before:
        hook(happening)
    assert why(health, "producer") is None
    for happening in (aborted(), OutcomeRecovered(published=0, owed=1)):
        hook(happening)
        assert why(health, "producer") == (
            "3 transactions in a row were not committed, the last one: NOT_ENOUGH_REPLICAS: too few"
        )
    hook(COMMITTED)
    assert why(health, "producer") is None


def test_worker_is_ready_once_all_orders_in_doubt_turn_out_published() -> None:
    """No transaction follows that could be committed."""
    health = Health()
    hook = ReadinessHook(health)
    for _ in range(3):
        hook(TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1))
        hook(OutcomeRecovered(published=0, owed=1))
    assert why(health, "producer") is not None
    hook(OutcomeRecovered(published=1, owed=0))
    assert why(health, "producer") is None


def test_rebalance_does_not_hide_an_outcome_in_doubt() -> None:
    """A new assignment says nothing about Kafka's answer."""
    health = Health()
    hook = ReadinessHook(health)
    before: tuple[Happening, ...] = (
        OutcomeRecovered(published=0, owed=0),
        TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1),
        Assigned([("orders", 0)]),
    )
    for happening in before:
        hook(happening)
    assert why(health, "producer") == "the outcome of the last transaction is being read back"
    hook(OutcomeRecovered(published=0, owed=0))
    assert why(health, "producer") is None


@pytest.mark.parametrize(
    ("abort", "begin", "end", "remedy"),
    [
        (aborted(missing="journey.ads"), "topic.missing", "topic.found", "journeys topics create"),
        (aborted(forbidden="journey.ads"), "topic.forbidden", "topic.allowed", "Write"),
    ],
)
def test_topic_that_takes_no_records_is_logged_once_and_in_readyz(
    abort: TransactionEnded, begin: str, end: str, remedy: str
) -> None:
    """The line names topic and remedy. Kafka answers, so `topic` is the only reason, even after three aborts."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    hooks.notify(OutcomeRecovered(published=0, owed=0))
    for happening in (aborted(), aborted(), aborted(), abort, abort):
        hooks.notify(happening)
    assert str(why(health, "topic")).startswith("journey.ads takes no records: ")
    assert why(health, "producer") is None
    hooks.notify(COMMITTED)
    assert why(health, "topic") is None
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["topic"]) for line in lines if "topic" in line] == [
        (begin, "journey.ads"),
        (end, "journey.ads"),
    ]
    [named] = [line["remedy"] for line in lines if "remedy" in line]
    assert remedy in named


def test_missing_order_topic_is_logged_once_and_in_readyz() -> None:
    """Beside a journey topic, and whatever else is committed meanwhile."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    for happening in (
        OrderTopicsMissing(["orders"]),
        aborted(missing="journey.ads"),
        OrderTopicsMissing(["orders", "retries"]),
    ):
        hooks.notify(happening)
    for part in ("orders does not exist", "retries does not exist", "journey.ads takes no records"):
        assert part in str(why(health, "topic"))
    hooks.notify(COMMITTED)
    assert "journey.ads" not in str(why(health, "topic"))
    hooks.notify(OrderTopicsMissing([]))
    assert why(health, "topic") is None
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["topic"]) for line in lines if line["event"].startswith("topic.")] == [
        ("topic.missing", "orders"),
        ("topic.missing", "journey.ads"),
        ("topic.missing", "retries"),
        ("topic.found", "journey.ads"),
        ("topic.found", "orders"),
        ("topic.found", "retries"),
    ]


def test_brokers_without_topic_ids_are_in_the_log() -> None:
    """The line says what is not noticed then, and why."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    Hooks(LogHook(rejected_topic="rejected")).notify(TopicsWithoutIds("orders", "the brokers are old"))
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["event"], line["level"], line["topic"]) == ("topic.without_id", "warning", "orders")
    assert line["reason"].endswith("is not noticed: the brokers are old")


def test_worker_is_degraded_while_every_request_fails() -> None:
    """Also without a new request; the log has one line when it begins and one when it ends."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    now = [0.0]
    health = Health()
    hook = FailingHook(health, monotonic=lambda: now[0])
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
    hooks = Hooks(LogHook(rejected_topic="rejected"), FailingHook(health, monotonic=lambda: now[0]))
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
        hooks = Hooks(FailingHook(health, monotonic=loop.time))
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


def test_summary_line_is_written_each_10_s_while_there_is_work() -> None:
    """It counts committed orders alone. An idle worker writes none."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    now = [0.0]
    hook = SummaryHook(retry_topics=["orders.retry.1m"], monotonic=lambda: now[0])
    lag = {("orders", 0): 7, ("orders", 1): 1, ("orders.retry.1m", 0): 99}
    for outcome in (Outcome.ABORTED, Outcome.COMMITTED):
        hook(TransactionEnded(Result(outcome=outcome), ORDERS, 0.1))
    for now[0] in (5.0, 20.0, 25.0):
        hook(Measured(2, lag, 1.26))
    for now[0] in (60.0, 90.0):
        hook(Measured(0, {}, 0.0))
    [line] = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (line["event"], line["level"]) == ("orders.summary", "info")
    assert {name: value for name, value in line.items() if name not in ("event", "level", "timestamp")} == {
        "published": 1,
        "retried": 1,
        "dead_lettered": 1,
        "orders_per_s": 0.2,
        "in_hand": 2,
        "lag": 8,
        "oldest_s": 1.3,
    }


def test_waiting_line_names_the_setting_that_orders_wait_for() -> None:
    """With the defaults the first order waits for 30 minutes."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    for settle_s in (1800.0, 0.0):
        LogHook(rejected_topic="rejected", settle_s=settle_s)(OrdersWaiting(2, 1_700_000_000.5))
    settling, retrying = [json.loads(line)["reason"] for line in out.getvalue().splitlines()]
    assert "JOURNEYS_ORDERS__SETTLE (30m)" in settling
    assert "SETTLE" not in retrying


def test_foreign_retries_are_counted_and_their_group_is_logged_once() -> None:
    """An operator learns which other group shares the retry topics."""
    out, metrics = io.StringIO(), Metrics()
    configure(log_format="json", stream=out)
    hooks = Hooks(MetricsHook(metrics, channels={}, rejected_topic="rejected"), LogHook(rejected_topic="rejected"))
    message = finished("retried", "orders.retry.1m").message
    for group in ("eu", "us", "eu"):
        hooks.notify(ForeignRetry(message, group))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["group"]) for line in lines] == [
        ("retry.foreign", "warning", "eu"),
        ("retry.foreign", "warning", "us"),
    ]
    assert metrics.registry.get_sample_value("journeys_retries_foreign_total") == 3


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
