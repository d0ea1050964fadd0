"""The life of one worker, from its start to its end.

Start: the ops server comes first, so that probes show the reason for a slow start. The worker looks up Kafka's topics
and the registry's schema ids side by side, and decides where a new group starts. Then it builds the parts and starts
the Kafka thread.

Stop: SIGTERM or SIGINT cancels HTTP at once. The worker commits finished orders (4 s at most) and leaves the group (5 s
at most, in a thread of its own, since it can block behind a pending join). Then it returns 0.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import Any, TypeVar

import journeys
from journeys.consumer.consumer import Partition
from journeys.errors import HaltError, ThrottledError, TransientError, UnauthorizedError
from journeys.fetcher.account.gate import REASONS, Reason
from journeys.fetcher.failures import is_answer
from journeys.fetcher.http.client import ApiClient
from journeys.fetcher.probe import probe
from journeys.fetcher.progress import OpenOrder
from journeys.kafka import topics
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import STATISTICS, producer_config
from journeys.logs import LogOutput, log
from journeys.model import Position
from journeys.ops.health import DEGRADED, UNREADY, Health, OldestOrder, Readiness
from journeys.ops.metrics import Metrics
from journeys.ops.server import serve
from journeys.ops.stuck import Part, Seen
from journeys.producer import registry
from journeys.producer.channels import Channel
from journeys.producer.encoding import extension
from journeys.producer.publisher import Publisher
from journeys.producer.statistics import ProducerStatistics
from journeys.redact import without_credentials
from journeys.settings import Settings
from journeys.worker.assembly import (
    Clients,
    Parts,
    assemble,
    make_client,
    make_consumers,
    make_encoder,
    make_keeper,
    make_tracing,
    patience,
    rules_of,
)
from journeys.worker.console import Console, ProblemsHook
from journeys.worker.happenings import Hooks
from journeys.worker.hooks.degraded import FailingHook, ForeignHook, SlowHook
from journeys.worker.hooks.log_lines import LogHook
from journeys.worker.hooks.metrics import MetricsHook
from journeys.worker.hooks.readiness import ReadinessHook
from journeys.worker.hooks.summary import SummaryHook
from journeys.worker.start import decide_start
from journeys.worker.threads import in_daemon_thread
from journeys.worker.watchdog import Watchdog

T = TypeVar("T")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PROBE_WITHIN_S = 5.0
"""The longest wait before the request that tries out the API."""
_SETTLE_S = 4.5
"""The longest wait for the Kafka thread's last transaction; the thread itself allows 4 s."""
_CLOSE_S = 5.0
"""The longest wait for leaving the groups."""
_SEND_S = 2.0
"""The longest wait for a collector that gets the last spans. What it has not got by then is lost."""


def run(settings: Settings, log_output: LogOutput, sources: Mapping[str, str] | None = None) -> int:
    """Run a worker until a signal stops it. Returns the exit code: 0 after a clean stop.

    `sources` says where the settings come from, as `Loaded` has it; the page shows it.
    Raises HaltError if it cannot start or go on, SettingsError if librdkafka refuses a setting.
    """
    collect_rarely()
    try:
        return asyncio.run(Service(settings, log_output, sources).main())
    finally:
        # At exit, Python drops handlers but leaves ignored signals ignored: a late signal must not kill it.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def collect_rarely() -> None:
    """Let the garbage collector run less often, and never over the objects that imports made.

    The records in hand are many and in no cycle. At Python's own thresholds the collector took a fifth of the event
    loop's time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Service:
    """One worker. `publisher` makes the producer from librdkafka's settings.

    To be made and run on the main thread, because it handles SIGTERM and SIGINT.
    """

    def __init__(
        self,
        settings: Settings,
        log_output: LogOutput,
        sources: Mapping[str, str] | None = None,
        *,
        publisher: Callable[..., Publisher] = Publisher,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._instance_id = settings.kafka.instance_id or secrets.token_hex(8)
        self._metrics = Metrics()
        self._metrics.watch_total("log.lines.lost", lambda: log_output.lost)
        build = journeys.__version__, extension.language(wanted=settings.publish.native)
        self._metrics.watch("info", lambda: {build: 1.0})
        self._health = Health()
        self._metrics.watch("unready", lambda: _marked(UNREADY, self._health.readiness().unready))
        self._metrics.watch("degraded", lambda: _marked(DEGRADED, self._health.readiness().degraded))
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._parts: Parts | None = None
        prefix = settings.publish.topic_prefix
        channels = {f"{prefix}{channel}": channel.value for channel in Channel}
        rejected = f"{prefix}rejected"
        self._rules = rules_of(settings)
        self._keeper = keeper = make_keeper(self._rules, self._gate_changed)
        problems = ProblemsHook()
        self._console = Console(
            settings,
            sources or {},
            instance=self._instance_id,
            metrics=self._metrics,
            keeper=keeper,
            parts=lambda: self._parts,
            problems=problems,
        )
        self._tracing = make_tracing(settings, instance_id=self._instance_id)
        self._hooks = Hooks(
            MetricsHook(self._metrics, channels=channels, rejected_topic=rejected, codes=settings.api.codes),
            LogHook(rejected_topic=rejected, settle_s=settings.settle),
            SummaryHook(retry_topics=settings.orders.retry_topics),
            ReadinessHook(self._health),
            FailingHook(self._health, codes=settings.api.codes),
            SlowHook(self._health, slow_s=settings.orders.slow, open_orders=self._open_orders),
            ForeignHook(self._health),
            problems,
            self._console.history_hook,
            *([] if self._tracing is None else [self._tracing]),
        )
        self._metrics.watch("gate", lambda: {(name,): name in keeper.reasons for name in REASONS})
        self._metrics.watch("rate", lambda: keeper.rate)

    async def main(self) -> int:
        """Work until a signal comes. Returns 0; raises as `run` does."""
        self._take_signals(asyncio.get_running_loop())
        log("worker.starting", group=self._settings.kafka.group_id, instance=self._instance_id)
        if misread := topics.misread_topics(self._settings):
            log("orders.under_prefix", topics=misread, prefix=self._settings.publish.topic_prefix)
        watchdog = Watchdog(patience(self._settings), see=self._see, task_of=self._task_of, failed=self._fail)
        async with self._ops(watchdog):
            ids = await self._unless_stopped(self._prepare())
            if ids is not None:
                self._health.unready("starting", None)
                async with make_client(self._settings) as client:
                    await self._work(ids, client)
        log("worker.stopped")
        return 0

    # -- start

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGTERM and SIGINT stop the worker. asyncio's own handlers would end with its loop."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            # One signal is enough: handling a flood of them would leave no time for the stop itself.
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_IGN)
            with suppress(RuntimeError):  # the loop is closed: the worker ends already
                loop.call_soon_threadsafe(self._stop.set)

        for number in _SIGNALS:
            signal.signal(number, stop)

    async def _prepare(self) -> dict[str, int]:
        """The schema ids, once all topics were found and the start of the group is decided.

        Raises SetupError for a missing topic or subject, HaltError if JOURNEYS_ORDERS__START refuses to start.
        """
        wanted = topics.required_topics(self._settings)
        cluster = in_daemon_thread(lambda: KafkaAdmin(self._settings).topics(*wanted), name="kafka-topics")
        place, prefix = self._settings.registry, self._settings.publish.topic_prefix
        ids = in_daemon_thread(lambda: registry.lookup(place.url, place.config, prefix), name="schema-ids")
        try:
            topics.require(self._settings, await cluster)
            found = await ids
            at_end = await in_daemon_thread(lambda: decide_start(self._settings), name="group-start")
        except BaseException:
            for future in (cluster, ids):
                future.add_done_callback(_look_away)
            raise
        log("registry.schemas_known", subjects=len(found))
        if at_end:
            log("orders.start_at_end", topics=at_end)
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
    async def _ops(self, watchdog: Watchdog) -> AsyncIterator[None]:
        ops = self._settings.ops
        async with serve(
            host=ops.host,
            port=ops.port,
            metrics=self._metrics,
            ready=self._readiness,
            alive=watchdog.report,
            state=self._console.state,
            controls={"/hold": self._hold, "/resume": self._resume},
            token=ops.current_token if ops.token_file else None,
        ) as address:
            log("ops.listening", address=address)
            with watchdog.watching():
                yield

    # -- work

    async def _work(self, ids: dict[str, int], client: ApiClient) -> None:
        settings, place = self._settings, self._settings.registry
        clients = Clients(
            api=client,
            consumers=make_consumers(settings),
            ask_topic_ids=KafkaAdmin(settings).ask_ids,
            publisher=self._publisher(
                STATISTICS | producer_config(settings, instance_id=self._instance_id),
                topics=topics.required_topics(settings),
            ),
            encoder=make_encoder(settings, ids, self._hooks.misfit),
            schema_text=lambda number: registry.schema_text(place.url, place.config, number),
        )
        parts = assemble(
            self._rules,
            clients,
            keeper=self._keeper,
            hooks=self._hooks,
            failed=self._fail,
            tracer=self._tracing,
        )
        self._parts, kafka = parts, parts.kafka
        self._watch(parts)
        self._watch_producer(clients.publisher.statistics)
        thread = in_daemon_thread(kafka.run, name="kafka")
        thread.add_done_callback(lambda _: self._stop.set())
        log(
            "worker.started",
            topics=settings.orders.topics,
            api=without_credentials(settings.api.base_url),
            encoder=extension.language(wanted=settings.publish.native),
        )
        if settings.api.probe:
            probing = asyncio.create_task(self._probe(clients))
            probing.add_done_callback(_look_away)
            thread.add_done_callback(lambda _: probing.cancel())
        await self._stop.wait()
        log("worker.stopping", reason="failure" if thread.done() or self._failure else "signal")
        self._health.unready("stopping", "the worker is stopping")
        kafka.stop()
        parts.pool.close()
        if not await _within(_SETTLE_S, thread):  # it blocks in a call: closing the consumer beside it is not safe
            raise HaltError(
                f"Kafka did not let go within {_SETTLE_S:g} s; what is not committed goes to another worker"
            )
        closing = [_within(_CLOSE_S, in_daemon_thread(kafka.leave, name="kafka-leave"))]
        if self._tracing is not None:
            closing.append(_within(_SEND_S, in_daemon_thread(self._tracing.close, name="tracing-close")))
        await asyncio.gather(*closing)
        thread.result()
        if self._failure is not None:
            raise HaltError(f"a defect stopped the worker: {self._failure!r}") from self._failure

    async def _probe(self, clients: Clients) -> None:
        """Ask the API once, unless an order has asked by then. At random, because workers may start side by side."""
        await asyncio.sleep(_PROBE_WITHIN_S * clients.chance())
        if self._keeper.turns or self._keeper.is_shut or self._stop.is_set():
            return
        error = await probe(clients.api, self._keeper, codes=self._settings.api.codes, clock=clients.clock)
        if isinstance(error, TransientError) and not is_answer(error.reason):
            log("api.probe_failed", reason=error.reason, detail=str(error))
        elif not isinstance(error, ThrottledError | UnauthorizedError):  # the gate reports these
            log("api.probed", reason="the API answers, and does not refuse the key")

    def _watch(self, parts: Parts) -> None:
        """Let each scrape read what the parts know."""
        watch, kafka, admission, ages = self._metrics.watch, parts.kafka, parts.admission, parts.ages
        watch("requests.in_flight", lambda: parts.fetcher.in_flight)
        watch("orders.in_hand", lambda: admission.in_hand)
        watch("orders.oldest.seconds", lambda: _ages(ages.commits(), ages.oldest()))
        watch("orders.due", lambda: sum(each.due for each in kafka.standings.values()) if self._takes_orders() else 0)
        watch("orders.waiting", lambda: sum(each.waiting for each in kafka.standings.values()))
        watch("orders.next_due", lambda: admission.next_due or 0)
        watch("bytes.in_hand", lambda: admission.bytes_in_hand)
        watch("partitions", lambda: len(parts.assignments.ledgers))
        watch("commit.age.seconds", lambda: _ages(ages.commits(), ages.commits()))
        watch("lag", lambda: _labelled(parts.lag.by_partition))
        watch("lag.seconds", lambda: _labelled({at: each.lag_s for at, each in kafka.standings.items()}))
        watch("map.bytes", lambda: _labelled({at: each.map_bytes for at, each in kafka.standings.items()}))
        watch("map.gaps", lambda: _labelled({at: each.map_gaps for at, each in kafka.standings.items()}))

    def _watch_producer(self, statistics: ProducerStatistics) -> None:
        watch, watch_total = self._metrics.watch, self._metrics.watch_total
        watch("producer.queue.records", lambda: {} if (queued := statistics.queued) is None else {(): queued.records})
        watch("producer.queue.bytes", lambda: {} if (queued := statistics.queued) is None else {(): queued.bytes})
        watch_total("broker.requests", lambda: _by_name(statistics.requests))
        watch_total("broker.round_trip.seconds", lambda: _by_name(statistics.round_trips_s))

    def _takes_orders(self) -> bool:
        """Whether the gate is open, or shut for a pause only."""
        return not self._keeper.reasons.keys() - {"pace"}

    def _readiness(self) -> Readiness:
        """The reasons, and the oldest order in hand; on the event loop, which alone may read order messages."""
        found = self._health.readiness()
        if self._parts is None or (oldest := self._parts.ages.oldest_order()) is None:
            return found
        since, message = oldest
        order_id, seconds = self._parts.reader.order_id(message), time.monotonic() - since
        return replace(found, oldest=OldestOrder(order_id=order_id, position=message.position, seconds=seconds))

    def _open_orders(self) -> list[OpenOrder]:
        return [] if self._parts is None else self._parts.fetcher.open_orders()

    # -- for the watchdog, which calls these on its own thread

    def _see(self, beats: Mapping[Part, float]) -> Seen:
        turned_at = None if self._parts is None else self._parts.kafka.turned_at
        return Seen(
            beats=beats if turned_at is None else {**beats, "kafka": turned_at},
            progress={} if self._parts is None else self._parts.fetcher.progress(),
            turns=self._keeper.turns,
            is_shut=self._keeper.is_shut,
        )

    def _task_of(self, position: Position) -> asyncio.Task[None] | None:
        return None if self._parts is None else self._parts.pool.tasks().get(position)

    # -- the gate

    def _gate_changed(self, reasons: Mapping[Reason, str]) -> None:
        self._hooks.gate(reasons)
        if self._parts is not None:
            self._parts.pool.resume()

    def _hold(self) -> dict[str, object]:
        self._keeper.hold()
        return {"shut": list(self._keeper.reasons)}

    def _resume(self) -> dict[str, object]:
        opened = self._keeper.resume()
        return {"opened": opened, "shut": list(self._keeper.reasons)}

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop.set()


def _ages(partitions: Iterable[Partition], since: Mapping[Partition, float]) -> dict[tuple[str, ...], float]:
    """Seconds since the given time for each of these partitions; 0 without one."""
    now = time.monotonic()
    return {(topic, str(number)): now - since.get((topic, number), now) for topic, number in partitions}


def _labelled(values: Mapping[Partition, float | None]) -> dict[tuple[str, ...], float]:
    """The values by their labels; partitions whose value is not known are left out."""
    return {(topic, str(number)): value for (topic, number), value in values.items() if value is not None}


def _by_name(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """The values by their only label."""
    return {(name,): value for name, value in values.items()}


def _marked(names: Iterable[str], holding: Collection[str]) -> dict[tuple[str, ...], float]:
    """1 for each of the names that holds, 0 for the others."""
    return {(name,): name in holding for name in names}


async def _within(seconds: float, future: asyncio.Future[None]) -> bool:
    """Wait for `future`, `seconds` at most. Returns whether it is done; an exception of it is raised elsewhere."""
    future.add_done_callback(_look_away)
    await asyncio.wait({future}, timeout=seconds)
    return future.done()


def _look_away(future: asyncio.Future[Any]) -> None:
    """Retrieve an exception that no task waits for, so that asyncio does not log it."""
    if not future.cancelled():
        future.exception()
