"""Traces orders with OpenTelemetry. No other module imports it, and only a worker that traces imports this one.

Each traced order has one trace: a span for the order, for each request of a page, and for each transaction with its
records. The worker decides before any call of OpenTelemetry, because the spans of an order take half as much CPU time
as the order itself, or more (`benchmarks.tracing`).

A request belongs to the order of its asyncio task: the context variable of a task is inherited by the tasks that it
starts. A task may also start the work on *another* order, because the end of a request can open the gate. So `begin`
sets the variable for each order, traced or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

import journeys
from journeys.clock import Clock
from journeys.logs import log
from journeys.model import OrderMessage
from journeys.producer.publisher import Outcome, Result
from journeys.redact import without_credentials
from journeys.trace_context import TraceContext, incoming, is_traced, stamp
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import Happening, RequestEnded, TransactionEnded
from journeys.worker.span_names import SCHEMA_URL, Convention, Own, SpanName

_MOST_LINKS: Final = 16
"""The most traced orders that each span of a transaction links to."""
_NO_PARENT: Final = Context()

_order: ContextVar[Span | None] = ContextVar("journeys_order_span", default=None)
"""The span of the order that this task works on; None for an order that is not traced."""


class CollectorLog(logging.Handler):
    """Takes the lines that OpenTelemetry logs, and writes one when the collector begins to fail, one when it is back.

    While the collector does not answer, OpenTelemetry logs each try to send spans, and each full queue.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line. The first since the collector last got spans gives the reason."""
        if not self._is_failing:
            self._is_failing = True
            log("tracing.failing", reason=record.getMessage())

    def sent(self) -> None:
        """Note that the collector got spans."""
        if self._is_failing:
            self._is_failing = False
            log("tracing.recovered")


class _Exporter(OTLPSpanExporter):
    """Sends spans to the collector, and notes that it has them."""

    def __init__(self, endpoint: str, collector_log: CollectorLog) -> None:
        super().__init__(endpoint=f"{endpoint}/v1/traces")
        self._collector_log = collector_log

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; as the base class does, for up to 10 seconds."""
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self._collector_log.sent()
        return result


def exporter(endpoint: str) -> SpanProcessor:
    """Sends spans to the collector at this address (OTLP/HTTP), from a thread of its own.

    A full queue drops spans; no caller waits. The environment variables `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_*` say
    more, such as the headers of a request and the size of the queue.
    """
    collector_log, logger = CollectorLog(), logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [collector_log], False
    return BatchSpanProcessor(_Exporter(endpoint, collector_log))


class Tracing:
    """The traces of one worker; one of its hooks, and the pool's `Tracer`.

    `processor` gets the spans. `ratio` is the share of orders that are traced if their message has no `traceparent`.
    `group` is the consumer group, `api` the address of the API, and `instance` the name of the worker.
    """

    follows: Final = (RequestEnded, TransactionEnded)

    def __init__(
        self,
        processor: SpanProcessor,
        *,
        ratio: float,
        group: str,
        api: str,
        instance: str,
        chance: Callable[[], float],
        clock: Clock,
    ) -> None:
        ours: dict[str, str] = {
            Convention.SERVICE: "journeys",
            Convention.VERSION: journeys.__version__,
            Convention.INSTANCE: instance,
        }
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("journeys", journeys.__version__, schema_url=SCHEMA_URL)
        self._ratio = ratio
        self._group = group
        address = urlsplit(api)
        self._server: dict[str, str | int] = {
            Convention.SERVER: address.hostname or "",
            Convention.PORT: address.port or (443 if address.scheme == "https" else 80),
        }
        self._chance = chance
        self._clock = clock

    # -- the orders, on the event loop

    def begin(self, message: OrderMessage) -> None:
        """Decide whether this order is traced, and begin its span; in the task that works on the order."""
        parent = incoming(message)
        if not is_traced(parent, ratio=self._ratio, chance=self._chance):
            _order.set(None)
            return
        position = message.position
        span = self._tracer.start_span(
            f"{SpanName.ORDER} {position.topic}",
            _NO_PARENT if parent is None else _within(parent, is_remote=True),
            SpanKind.CONSUMER,
            {
                Convention.SYSTEM: "kafka",
                Convention.OPERATION_NAME: "process",
                Convention.OPERATION_TYPE: "process",
                Convention.TOPIC: position.topic,
                Convention.PARTITION: str(position.partition),
                Convention.OFFSET: position.offset,
                Convention.GROUP: self._group,
            },
            start_time=_ns(self._clock.wall()),
        )
        if not span.is_recording():  # OTEL_SDK_DISABLED is set
            _order.set(None)
            return
        _order.set(span)
        task = asyncio.current_task()
        assert task is not None, "orders are worked on in tasks"  # noqa: S101 - for the type checker
        task.add_done_callback(lambda task: self._done(span, task))

    def _done(self, span: Span, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            _fail(span, "cancelled")
        span.end(_ns(self._clock.wall()))

    def end(self, finished: FinishedOrder) -> FinishedOrder:
        """Note how the order of this task ended. Returns it with its records stamped, if it is traced."""
        if (span := _order.get()) is None:
            return finished
        span.set_attribute(Own.OUTCOME, finished.outcome)
        span.set_attribute(Own.RECORDS, len(finished.records))
        if (order := finished.order) is not None:
            span.set_attribute(Own.ORDER_ID, order.order_id)
            span.set_attribute(Own.EDITION, order.edition)
            span.set_attribute(Own.ATTEMPT, order.attempt)
        if finished.reason is not None:
            _fail(span, finished.reason)
        found = span.get_span_context()
        context = TraceContext(found.trace_id, found.span_id)
        return structs.replace(finished, records=stamp(finished.records, context), trace=context)

    # -- the hook

    def __call__(self, happening: Happening) -> None:
        """Make the spans of a request, or of a transaction with traced orders."""
        match happening:
            case RequestEnded():
                if (order := _order.get()) is not None:
                    self._page(order, happening)
            case TransactionEnded(result, finished, seconds):
                if traced := [order.trace for order in finished if order.trace is not None]:
                    self._transaction(traced, result, sum(len(order.records) for order in finished), seconds)

    def _page(self, order: Span, request: RequestEnded) -> None:
        now = self._clock.wall()
        span = self._tracer.start_span(
            SpanName.PAGE,
            set_span_in_context(order, _NO_PARENT),
            SpanKind.CLIENT,
            {**self._server, Own.PAGE: request.page},
            start_time=_ns(now - request.seconds),
        )
        if request.outcome != "ok":
            _fail(span, request.outcome, request.detail)
        span.end(_ns(now))

    def _transaction(self, orders: Sequence[TraceContext], result: Result, records: int, seconds: float) -> None:
        """Make a span in the trace of each order. Each links to the orders, as many as `_MOST_LINKS`."""
        now = self._clock.wall()
        links = [Link(_span_context(order, is_remote=False)) for order in orders[:_MOST_LINKS]]
        for order in orders:
            span = self._tracer.start_span(
                SpanName.TRANSACTION,
                _within(order, is_remote=False),
                SpanKind.CLIENT,
                {
                    Convention.SYSTEM: "kafka",
                    Convention.OPERATION_NAME: "send",
                    Convention.OPERATION_TYPE: "send",
                    Convention.BATCH: records,
                    Own.OUTCOME: str(result.outcome),
                },
                links,
                start_time=_ns(now - seconds),
            )
            if result.outcome is not Outcome.COMMITTED:
                _fail(span, str(result.outcome), result.reason or "")
            span.end(_ns(now))

    def close(self) -> None:
        """Send the spans that still wait. Blocks until the collector has them or does not answer."""
        self._provider.shutdown()


def _fail(span: Span, reason: str, detail: str = "") -> None:
    span.set_attribute(Convention.ERROR, reason)
    span.set_status(Status(StatusCode.ERROR, without_credentials(detail or reason)))


def _span_context(context: TraceContext, *, is_remote: bool) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, is_remote, TraceFlags(TraceFlags.SAMPLED))


def _within(context: TraceContext, *, is_remote: bool) -> Context:
    """The context of a child of this span, which another program recorded if `is_remote`."""
    return set_span_in_context(NonRecordingSpan(_span_context(context, is_remote=is_remote)), _NO_PARENT)


def _ns(seconds: float) -> int:
    """Nanoseconds since the epoch."""
    return int(seconds * 1_000_000_000)
