"""One worker, from its start to its end: builds the parts, wires them, waits, and takes them down.

Start: the ops server comes first, so that probes tell what a start waits for; Kafka's topics and the registry's
schema ids are looked at side by side; then come the desk and the Kafka thread. Stop: SIGTERM or SIGINT cancels HTTP
at once, commits what is finished (4 s at most), leaves the group (5 s at most, in a thread of its own, since it can
sit behind a pending join), and returns 0.
"""

from __future__ import annotations

import asyncio
import gc
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import Any, TypeVar

from journeys import topics
from journeys.broker import Broker
from journeys.consumer.source import OrderSource
from journeys.consumer.sources import Sources
from journeys.errors import HaltError, RefusedError
from journeys.fetcher.client import ApiClient, Endpoint
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.retries import QuickTries
from journeys.logs import log
from journeys.model import OrderMessage
from journeys.ops.health import Health, Report, liveness
from journeys.ops.metrics import Metrics
from journeys.ops.server import serve
from journeys.producer import subjects
from journeys.producer.channels import Channel
from journeys.producer.encoder import JourneyEncoder
from journeys.producer.publisher import Publisher
from journeys.settings import Settings
from journeys.worker.assignments import Assignments
from journeys.worker.clients import consumer_config, producer_config
from journeys.worker.desk import Desk, Finished
from journeys.worker.disposal import Routes, dispose
from journeys.worker.intake import Bounds
from journeys.worker.kafka_loop import KafkaLoop, Pace
from journeys.worker.observer import WorkerObserver
from journeys.worker.orders import Orders
from journeys.worker.threads import in_daemon_thread
from journeys.worker.waiting import due_ms

T = TypeVar("T")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SETTLE = 4.5
"""Seconds for the last transaction; the Kafka thread itself means to be done in 4."""
_CLOSE = 5.0
"""Seconds for leaving the group."""
_SLOTS = 2
"""Orders being worked on for each request that may be in flight: while one encodes or waits, another asks."""


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop. Returns the exit code: 0 after a clean stop.

    Raises HaltError where it cannot start or go on, SettingsError for what librdkafka does not take.
    """
    _collect_rarely()
    try:
        return asyncio.run(Service(settings).main())
    finally:
        # On its way out, Python gives handlers up but leaves ignored signals ignored: a late one must not kill it.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _collect_rarely() -> None:
    """Let the garbage collector look less often, and never at what the imports made.

    The records in hand are many and in no cycle; at Python's own thresholds a fifth of the event loop's time went
    into walking over them.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Service:
    """The parts of one worker. `publisher` makes the producer's side from librdkafka's settings.

    To be made and run on the main thread: it takes SIGTERM and SIGINT.
    """

    def __init__(self, settings: Settings, *, publisher: Callable[[dict[str, Any]], Publisher] = Publisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self._instance_id = settings.kafka.instance_id or secrets.token_hex(8)
        self._metrics = Metrics()
        self._health = Health()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._beats: dict[str, float] = {}
        prefix = settings.publish.topic_prefix
        self._observer = WorkerObserver(
            metrics=self._metrics,
            health=self._health,
            channels={f"{prefix}{channel}": channel.value for channel in Channel},
            rejected_topic=f"{prefix}rejected",
        )

    async def main(self) -> int:
        """Work until a signal comes. Returns 0; raises as `run` does."""
        self._take_signals(asyncio.get_running_loop())
        log("worker.starting", group=self._settings.kafka.group_id, instance=self._instance_id)
        async with self._ops():
            ids = await self._unless_stopped(self._prepare())
            if ids is not None:
                self._health.met("registry.schemas")
                async with self._fetcher() as fetcher:
                    await self._work(ids, fetcher)
        log("worker.stopped")
        return 0

    # -- start

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGTERM and SIGINT stop the worker; asyncio's own handlers would end with its loop."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: we are leaving already
                loop.call_soon_threadsafe(self._stop.set)

        for number in _SIGNALS:
            signal.signal(number, stop)

    async def _prepare(self) -> dict[str, int]:
        """The schema ids, once the topics are known to be there too. Raises SetupError for what is missing."""
        settings = self._settings
        cluster = in_daemon_thread(lambda: Broker(settings).topics(), name="kafka-topics")
        ids = in_daemon_thread(
            lambda: subjects.lookup(settings.registry.url, settings.registry.config, settings.publish.topic_prefix),
            name="registry-ids",
        )
        try:
            topics.require(settings, await cluster)
            found = await ids
        except BaseException:
            for future in (cluster, ids):
                future.add_done_callback(_look_away)
            raise
        log("registry.schemas_known", subjects=len(found))
        return found

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`, or None when a signal comes first."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            stop.cancel()
            return task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return None

    @asynccontextmanager
    async def _ops(self) -> AsyncIterator[None]:
        ops = self._settings.ops

        def alive() -> Report:
            return liveness(self._beats, now=time.monotonic(), stalled_after=ops.stalled_after)

        async with serve(
            host=ops.host, port=ops.port, metrics=self._metrics, ready=self._health.readiness, alive=alive
        ) as address:
            log("ops.listening", address=address)
            yield

    @asynccontextmanager
    async def _fetcher(self) -> AsyncIterator[Fetcher]:
        api = self._settings.api
        endpoint = Endpoint(
            base_url=api.base_url,
            version=api.version,
            page_size=api.page_size,
            max_concurrency=api.max_concurrency,
            connect_timeout=api.connect_timeout,
            read_timeout=api.read_timeout,
            total_timeout=api.total_timeout,
            max_page_bytes=api.max_page_bytes,
        )
        policy = Policy(
            max_concurrency=api.max_concurrency,
            pages_per_order=api.pages_per_order,
            max_events=api.max_events,
            tries=QuickTries(tries=api.tries),
            codes=api.codes,
        )
        async with ApiClient(endpoint, key=api.current_key) as client:
            fetcher = Fetcher(
                client,
                policy,
                observer=self._observer,
                chance=random.random,
            )
            self._metrics.watch("requests.in_flight", lambda: fetcher.in_flight)
            yield fetcher

    # -- work

    async def _work(self, ids: dict[str, int], fetcher: Fetcher) -> None:
        desk = self._desk(ids, fetcher)
        kafka = self._kafka(desk, fetcher)
        self._watch(kafka)

        def connect(listener: KafkaLoop) -> Sources:
            return _sources(self._settings, listener)

        thread = in_daemon_thread(lambda: kafka.run(connect), name="kafka")
        thread.add_done_callback(lambda _: self._stop.set())
        log("worker.started", topics=self._settings.orders.topics)
        await self._stop.wait()
        log("worker.stopping", reason="failure" if thread.done() or self._failure else "signal")
        self._health.unmet("worker.lifecycle", "the worker is stopping")
        kafka.stop()
        desk.close()
        if not await _within(_SETTLE, thread):  # it sits in a call; to close the consumer beside it is not safe
            raise HaltError(f"Kafka did not let go within {_SETTLE:g} s; what is not committed goes to another worker")
        await _within(_CLOSE, in_daemon_thread(kafka.leave, name="kafka-leave"))
        thread.result()
        if self._failure is not None:
            raise HaltError(f"a defect stopped the worker: {self._failure!r}") from self._failure

    def _desk(self, ids: dict[str, int], fetcher: Fetcher) -> Desk:
        settings = self._settings
        retry_topics = frozenset(topic for topic, _ in settings.orders.tiers)
        orders = Orders(
            account=settings.api.account,
            form=settings.orders.format,
            pointer=settings.orders.id_pointer,
            schema_text=lambda number: subjects.schema_text(settings.registry.url, settings.registry.config, number),
            is_retry=retry_topics.__contains__,
        )
        encoder = JourneyEncoder(
            ids,
            topic_prefix=settings.publish.topic_prefix,
            aliases=settings.publish.aliases,
            zone=settings.api.tzinfo,
        )
        return Desk(
            read=orders.read,
            fetch=lambda order, accept_empty: fetcher.fetch(order, accept_empty=accept_empty),
            encode=encoder.encode,
            routes=self._routes(),
            slots=_SLOTS * settings.api.max_concurrency,
            # Results of assignments gone by may still lie here when the orders of new ones come back.
            bound=4 * settings.orders.max_in_hand + 1000,
            observer=self._observer,
            failed=self._fail,
        )

    def _kafka(self, desk: Desk, fetcher: Fetcher) -> KafkaLoop:
        settings = self._settings
        retry_topics = frozenset(topic for topic, _ in settings.orders.tiers)
        routes = self._routes()

        def due(message: OrderMessage) -> int | None:
            return due_ms(message) if message.position.topic in retry_topics else None

        def replace_oversized(finished: Finished) -> Finished:
            return _oversized(finished, routes)

        return KafkaLoop(
            publisher=self._publisher(producer_config(settings, instance_id=self._instance_id)),
            desk=desk,
            assignments=Assignments(start=settings.orders.start, map_limit=settings.orders.map_limit),
            bounds=Bounds(orders=settings.orders.max_in_hand, bytes=settings.orders.max_bytes_in_hand),
            pace=Pace(linger=settings.publish.linger, max_records=settings.publish.max_records),
            due_ms=due,
            replace_oversized=replace_oversized,
            bytes_in_progress=lambda: fetcher.bytes_in_hand,
            observer=self._observer,
        )

    def _routes(self) -> Routes:
        orders = self._settings.orders
        return Routes(
            retry_tiers=orders.tiers,
            dead_letter=orders.dead_letter,
            empty_after=self._settings.api.empty_after,
        )

    def _watch(self, kafka: KafkaLoop) -> None:
        self._metrics.watch("orders.in_hand", lambda: kafka.in_hand)
        self._metrics.watch("orders.waiting", lambda: kafka.not_due)
        self._metrics.watch("bytes.in_hand", lambda: kafka.bytes_in_hand)
        self._metrics.watch("partitions", lambda: kafka.partitions)
        self._metrics.watch("lag", lambda: {(topic, str(number)): lag for (topic, number), lag in kafka.lag.items()})
        kafka.on_beat = lambda now: self._beats.__setitem__("kafka", now)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop.set()


def _sources(settings: Settings, listener: KafkaLoop) -> Sources:
    """Orders in the group that the user named, retry tiers in one beside it."""
    group = settings.kafka.group_id
    topics = {group: settings.orders.topics, f"{group}.retry": tuple(topic for topic, _ in settings.orders.tiers)}
    return Sources(
        {
            OrderSource(consumer_config(settings, group_id=group_id), names, listener): names
            for group_id, names in topics.items()
            if names
        }
    )


def _oversized(finished: Finished, routes: Routes) -> Finished:
    """The dead letter of an order whose journey holds a record that Kafka does not take. Raises HaltError."""
    position = finished.message.position
    if finished.outcome == "dead-lettered":
        raise HaltError(f"Kafka does not take the dead letter of {position}: raise max.message.bytes of its topic")
    error = RefusedError(
        f"Kafka does not take a record of the journey of {position}: it is too large (max.message.bytes)",
        reason="record-too-large",
        stage="publish",
    )
    record, outcome = dispose(finished.message, finished.order, error, routes, now_ms=time.time_ns() // 1_000_000)
    return replace(finished, outcome=outcome, records=[record], size=record.size, reason=error.reason)


async def _within(seconds: float, future: asyncio.Future[None]) -> bool:
    """Wait for `future`, but not longer; whether it came. What it raises at the very end changes nothing."""
    future.add_done_callback(_look_away)
    await asyncio.wait({future}, timeout=seconds)
    return future.done()


def _look_away(future: asyncio.Future[Any]) -> None:
    """Take note of an exception that nobody waits for."""
    if not future.cancelled():
        future.exception()
