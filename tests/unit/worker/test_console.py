"""The state of a worker for its page: problems, history, and the whole as its schema describes it."""

from __future__ import annotations

import io
import json

import fastjsonschema
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from journeys.logs import configure
from journeys.model import Order, OrderMessage, Position, Record
from journeys.ops import console
from journeys.ops.health import Readiness, Report
from journeys.ops.metrics import Metrics
from journeys.ops.state import State
from journeys.producer.publisher import Outcome, Result
from journeys.settings import load_with_sources
from journeys.worker.console import HistoryHook, ProblemsHook, sample
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import Measured, TransactionEnded
from journeys.worker.service import Service

LETTER = Position(topic="orders.dead-letter", partition=0, offset=7)


def finished(offset: int, outcome: str, reason: str | None = None) -> FinishedOrder:
    """An order that is finished, with this outcome."""
    position = Position(topic="orders.completed", partition=0, offset=offset)
    message = OrderMessage(key=None, value=b"1", headers=(), timestamp_ms=None, position=position)
    order = Order(
        order_id=f"A-{offset}",
        account="default",
        edition=str(position),
        timestamp_ms=None,
        attempt=0,
        absences=0,
        message=message,
    )
    return FinishedOrder(
        epoch=1,
        message=message,
        outcome=outcome,
        records=(Record(topic="t", key=None, value=b"", headers=[]),),
        size=1,
        at=0.0,
        order=order,
        reason=reason,
    )


def committed(*orders: FinishedOrder) -> TransactionEnded:
    """A transaction that published these; the record of the first one is `LETTER`."""
    return TransactionEnded(Result(outcome=Outcome.COMMITTED, positions={0: LETTER}), orders, 0.1)


def test_problems_have_the_newest_first_and_are_bounded() -> None:
    """Only orders that were not published are problems."""
    hook = ProblemsHook(wall=lambda: 5.0)
    hook(committed(finished(1, "dead-lettered", "status-422"), finished(2, "published"), finished(3, "skipped")))
    hook(committed(finished(4, "published"), finished(5, "retried", "status-503")))
    newest, oldest = hook.problems()
    assert (newest.order_id, newest.outcome, newest.command) == ("A-5", "retried", "journeys show A-5")
    assert (oldest.at, oldest.reason, oldest.position) == (5.0, "status-422", "orders.completed/0/1")
    assert oldest.command == "journeys dead-letters show 0/7"
    for number in range(30):
        hook(committed(finished(number, "retried", "status-503")))
    assert len(hook.problems()) == 20


def test_orders_of_an_aborted_transaction_are_no_problems_yet() -> None:
    """They are sent again."""
    hook = ProblemsHook()
    hook(TransactionEnded(Result(outcome=Outcome.ABORTED, reason="x"), [finished(1, "retried", "status-503")], 0.1))
    assert hook.problems() == []


def test_history_is_sampled_from_the_metrics() -> None:
    """Every 5 s, also the orders that are due."""
    metrics, now = Metrics(), [100.0]
    hook = HistoryHook(metrics, due=lambda: 12, wall=lambda: now[0])
    hook(Measured(0, {}, 0.0))
    metrics.count("orders", "published", by=40)
    metrics.count("events", "ads", by=80)
    metrics.observe("request.seconds", 0.03, "ok")
    metrics.observe("request.seconds", 0.03, "code-4290")
    metrics.count("requests.throttled")
    for now[0] in (103.0, 106.0):
        hook(Measured(0, {}, 0.0))
    assert hook.history.first().at == 100.0
    last = sample(metrics, at=106.0, due=12)
    assert (last.published, last.throttled, last.events) == (40, 1, {"ads": 80})
    [point] = hook.history.points()
    assert (point.published_per_s, point.median_s) == (6.67, 0.0375)


def test_the_schema_file_is_that_of_the_state() -> None:
    """`msgspec.json.schema(State)` writes it; a new field changes the file, and a removed one the version too."""
    assert json.loads(console.SCHEMA.read_text("utf-8")) == msgspec.json.schema(State)


def test_a_worker_that_starts_has_a_state_without_secrets() -> None:
    """Before any part is built, the page says what the worker waits for."""
    secrets = {"JOURNEYS_API__KEY": "s3cr3t", "JOURNEYS_KAFKA__CONFIG": '{"sasl.password": "s3cr3t"}'}
    found = load_with_sources(None, secrets)
    service = Service(found.settings, configure(log_format="json", stream=io.StringIO()), found.sources)
    state = service._console.state(service._health.readiness(), Report(reasons={}), controls="open")
    body = msgspec.json.encode(state)
    fastjsonschema.compile(json.loads(console.SCHEMA.read_text("utf-8")))(json.loads(body))
    assert state.summary.text.startswith("Starting: ")
    assert b"s3cr3t" not in body
    assert {row.variable: row.source for row in state.settings}["JOURNEYS_API__KEY"] == "env"


def test_totals_are_those_of_the_metrics() -> None:
    """The page and Prometheus never differ."""
    metrics = Metrics()
    metrics.count("events", "ads", by=3)
    metrics.observe("request.seconds", 0.03, "ok")
    metrics.count("requests.throttled")
    scraped = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }
    assert metrics.totals("events")["ads",] == scraped["journeys_events_total", ("ads",)]
    assert metrics.totals("requests.throttled")[()] == scraped["journeys_requests_throttled_total", ()]
    assert metrics.distribution("request.seconds")[0.05] == scraped["journeys_request_seconds_bucket", ("0.05", "ok")]


def test_a_stuck_worker_is_named_first() -> None:
    """The reports of both probes reach the sentence."""
    found = load_with_sources(None, {})
    service = Service(found.settings, configure(log_format="json", stream=io.StringIO()))
    stuck = Report(reasons={"order": "it does not get on"})
    state = service._console.state(Readiness(unready={}, degraded={}), stuck, controls="off")
    assert (state.summary.kind, state.controls) == ("stuck", "off")
