"""The traces of orders: made by the real parts of the event loop, and read back from the SDK's exporter in memory."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, format_span_id, format_trace_id
from tests.support.collector import collector
from tests.support.virtual_time import EPOCH, VirtualLoop, run
from tests.support.worker_fakes import PlainReader

from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer
from journeys.logs import configure
from journeys.model import OrderMessage, Position, Record
from journeys.producer import schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.publisher import Outcome, Result
from journeys.routing import Routes
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue
from journeys.worker.happenings import Hooks, TransactionEnded
from journeys.worker.oversized import replace_oversized
from journeys.worker.tracing import Tracing, exporter

IDS = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
ROUTES = Routes(group="g", retry_tiers=(("retry.1m", 60.0),), dead_letter="orders.dead-letter", empty_after=(60.0,))
SENDER = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNTRACED = SENDER[:-2] + b"00"


class Api:
    """Answers after 0.1 s: 404 for the order `none`, else a journey of `events` events, two to a page."""

    def __init__(self, events: int) -> None:
        self._events = events
        self.asked: Callable[[str], object] = lambda _: None
        """Called with the order id of each request, in the task of the request."""

    async def ask(self, order_id: str, page: int) -> Answer:
        """The answer to one request."""
        self.asked(order_id)
        await asyncio.sleep(0.1)
        if order_id == "none":
            return Answer(status=404, body=b"")
        count = max(0, min(2, self._events - 2 * (page - 1)))
        events = [{"event_id": f"{page}-{index}", "event_type": "ads"} for index in range(count)]
        data = {"order_id": order_id, "total": self._events, "page": page, "page_size": 2, "events": events}
        return Answer(status=200, body=json.dumps({"code": 1, "message": "ok", "data": data}).encode())

    def refresh_key(self) -> None:
        """It has none."""


@dataclass
class Scene:
    """The event loop's side of a worker that traces."""

    loop: VirtualLoop
    events: int = 1
    ratio: float = 0.0
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Wire the parts."""
        self.memory = InMemorySpanExporter()
        self.tracing = Tracing(
            SimpleSpanProcessor(self.memory),
            ratio=self.ratio,
            group="g",
            api="https://api.example:8443/",
            instance="w1",
            chance=lambda: 0.5,
            clock=self.loop.clock,
        )
        hooks = Hooks(self.tracing)
        self.api = Api(self.events)
        self.keeper = Gatekeeper(
            Gate(), RateLimiter(), slots=9, chance=lambda: 0.5, changed=lambda _: None, clock=self.loop.clock
        )
        fetcher = Fetcher(
            self.api,
            Policy(page_size=2),
            keeper=self.keeper,
            observer=hooks,
            chance=lambda: 0.5,
            clock=self.loop.clock,
        )
        self.results = ResultQueue()
        self.pool = OrderPool(
            reader=PlainReader(),
            fetcher=fetcher,
            encoder=JourneyEncoder(IDS),
            results=self.results,
            routes=ROUTES,
            slots=9,
            keeper=self.keeper,
            hooks=hooks,
            failed=self.failures.append,
            tracer=self.tracing,
            clock=self.loop.clock,
        )

    def submit(self, order_id: str, traceparent: bytes | None = None) -> None:
        """Hand an order to the pool."""
        headers = () if traceparent is None else (("traceparent", traceparent),)
        position = Position(topic="orders.completed", partition=3, offset=7)
        message = OrderMessage(
            position=position, key=None, value=order_id.encode(), headers=headers, timestamp_ms=int(EPOCH * 1000)
        )
        self.pool.submit([AdmittedOrder(epoch=1, message=message)])

    async def finish(self) -> list[FinishedOrder]:
        """Let all orders end."""
        await asyncio.sleep(60)
        assert self.failures == []
        return [self.results.get_nowait() for _ in range(self.results.qsize())]

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """The finished spans whose names begin so."""
        return [span for span in self.memory.get_finished_spans() if span.name.startswith(name)]


def parents(records: list[Record]) -> set[str | bytes | None]:
    """The values of `traceparent` in these records; None for a record without."""
    return {dict(record.headers).get("traceparent") for record in records}


def header(context: SpanContext | None) -> bytes:
    """The header that refers to a span."""
    assert context is not None
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-01".encode()


def header_of(span: ReadableSpan) -> bytes:
    """The header that refers to a span."""
    return header(span.get_span_context())


def milliseconds(span: ReadableSpan) -> int:
    """How long a span took."""
    return round(((span.end_time or 0) - (span.start_time or 0)) / 1e6)


def test_traced_order_has_one_trace_and_untraced_ones_have_none() -> None:
    """The trace continues that of the message. Its records refer to the order's span, and no other record does."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, events=5)
        for order_id, traceparent in (("A-1", SENDER), ("A-2", UNTRACED), ("A-3", None)):
            scene.submit(order_id, traceparent)
        finished = {each.order.order_id: each for each in await scene.finish() if each.order is not None}
        [order] = scene.spans("process")
        assert order.name == "process orders.completed"
        assert order.kind is SpanKind.CONSUMER
        assert header(order.parent) == SENDER
        assert dict(order.attributes or {}) == {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "orders.completed",
            "messaging.destination.partition.id": "3",
            "messaging.kafka.offset": 7,
            "messaging.consumer.group.name": "g",
            "journeys.order_id": "A-1",
            "journeys.edition": "orders.completed/3/7",
            "journeys.attempt": 0,
            "journeys.outcome": "published",
            "journeys.records": 6,
        }
        assert order.status.status_code is StatusCode.UNSET
        pages = scene.spans("fetch page")
        assert [(page.attributes or {}).get("journeys.page") for page in pages] == [1, 2, 3]
        assert {(page.attributes or {})["server.address"] for page in pages} == {"api.example"}
        assert {header(page.parent) for page in pages} == {header_of(order)}
        assert {milliseconds(page) for page in pages} == {100}
        assert milliseconds(order) == 200
        assert parents([*finished["A-1"].records]) == {header_of(order)}
        assert parents([*finished["A-2"].records, *finished["A-3"].records]) == {None}
        resource = order.resource.attributes
        assert (resource["service.name"], resource["service.instance.id"]) == ("journeys", "w1")
        scope = order.instrumentation_scope
        assert scope is not None
        assert scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"

    run(main)


def test_order_without_a_sender_begins_its_own_trace() -> None:
    """Chance decides, and the trace has no parent."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, ratio=0.6)
        scene.submit("A-1")
        [finished] = await scene.finish()
        [order] = scene.spans("process")
        assert order.parent is None
        assert parents([*finished.records]) == {header_of(order)}

    run(main)


def test_retry_continues_the_trace() -> None:
    """Its `traceparent` refers to the span of this attempt, so the next one belongs to the same trace."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        scene.submit("none", SENDER)
        [finished] = await scene.finish()
        [order], [page] = scene.spans("process"), scene.spans("fetch page")
        assert finished.outcome == "retried"
        assert [each for each in finished.records[0].headers if each[0] == "traceparent"] == [
            ("traceparent", header_of(order))
        ]
        for span in (order, page):
            assert span.status.status_code is StatusCode.ERROR
            assert (span.attributes or {})["error.type"] == "status-404"
        letter = replace_oversized(finished, ROUTES, now_ms=5)
        assert parents([*letter.records]) == {header_of(order)}

    run(main)


def test_order_that_another_order_set_off_has_its_own_requests() -> None:
    """The end of a request may open the gate, and then its task starts the tasks of orders that waited."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        scene.submit("A-1", SENDER)

        def asked(order_id: str) -> None:
            if order_id == "A-1":  # as the service does when the gate opens
                scene.keeper.resume()
                scene.pool.resume()

        scene.api.asked = asked
        loop.call_soon(scene.keeper.hold)
        loop.call_soon(scene.submit, "A-2", UNTRACED)
        loop.call_later(1, scene.keeper.resume)
        assert len(await scene.finish()) == 2
        assert len(scene.spans("process")) == len(scene.spans("fetch page")) == 1

    run(main)


def test_cancelled_order_ends_its_span() -> None:
    """Its partition was taken away; without the span, its pages would have no parent."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        scene.submit("A-1", SENDER)
        loop.call_later(0.05, scene.pool.cancel, None)
        assert await scene.finish() == []
        [order], [page] = scene.spans("process"), scene.spans("fetch page")
        assert {(span.attributes or {})["error.type"] for span in (order, page)} == {"cancelled"}

    run(main)


def test_transaction_has_a_span_in_the_trace_of_each_order() -> None:
    """Each links to all of these orders. A transaction without traced orders has no span."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        for order_id, traceparent in (("A-1", SENDER), ("A-2", SENDER.replace(b"4b", b"5b")), ("A-3", None)):
            scene.submit(order_id, traceparent)
        finished = await scene.finish()
        untraced = [each for each in finished if each.trace is None]
        scene.tracing(TransactionEnded(Result(outcome=Outcome.COMMITTED), untraced, 0.25))
        assert scene.spans("send") == []
        scene.tracing(TransactionEnded(Result(outcome=Outcome.ABORTED, reason="it was fenced"), finished, 0.25))
        scene.tracing(TransactionEnded(Result(outcome=Outcome.COMMITTED), finished, 0.25))
        orders = {header_of(order) for order in scene.spans("process")}
        aborted, committed = scene.spans("send")[:2], scene.spans("send")[2:]
        for spans in (aborted, committed):
            assert {header(span.parent) for span in spans} == orders
            assert all({header(link.context) for link in span.links} == orders for span in spans)
        attributes = dict(committed[0].attributes or {})
        assert (attributes["journeys.outcome"], attributes["messaging.batch.message_count"]) == ("committed", 6)
        assert milliseconds(committed[0]) == 250
        assert (aborted[0].status.status_code, aborted[0].status.description) == (StatusCode.ERROR, "it was fenced")
        assert (aborted[0].attributes or {})["error.type"] == "aborted"

    run(main)


def test_order_is_not_traced_where_the_environment_switches_opentelemetry_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK then makes spans without ids, and a header of zeros is no valid `traceparent`."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, ratio=1.0)
        scene.submit("A-1")
        [finished] = await scene.finish()
        assert finished.trace is None
        assert parents([*finished.records]) == {None}

    run(main)


def test_password_in_a_reason_stays_out_of_the_span() -> None:
    """A message of a library may quote an address."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, ratio=1.0)
        scene.submit("A-1")
        result = Result(outcome=Outcome.ABORTED, reason="no answer from http://user:password@proxy:3128")
        scene.tracing(TransactionEnded(result, await scene.finish(), 0.25))
        [transaction] = scene.spans("send")
        assert transaction.status.description == "no answer from http://***@proxy:3128"

    run(main)


def test_failing_collector_is_logged_once_and_recovered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own lines, one for each try, stay out of the log."""
    logger = logging.getLogger("opentelemetry")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    out = io.StringIO()
    configure(log_format="json", stream=out)
    with collector(401, 401, 200, 200, 400) as collecting:
        processor = exporter(collecting.url)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        for _ in range(5):
            provider.get_tracer("test").start_span("span").end()
            processor.force_flush()
        provider.shutdown()
    assert len(collecting.spans) == 2
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("tracing.failing", "warning"),
        ("tracing.recovered", "info"),
        ("tracing.failing", "warning"),
    ]
    assert "401" in lines[0]["reason"]
