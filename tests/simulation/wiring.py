"""One worker, wired as `worker/service.py` does it, from the same parts.

Only its clients, its clock and its encoder are the simulation's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation import encoder
from tests.simulation.api import MAX_EVENTS, Api, ModelClient
from tests.simulation.kafka.cluster import WALL, Cluster
from tests.simulation.kafka.consumer import ModelConsumer
from tests.simulation.kafka.group import Kind
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.producer import ModelProducer
from tests.simulation.kafka.weather import Weather
from tests.simulation.scheduler import Process
from tests.simulation.story import Teller

from journeys.clock import Clock
from journeys.consumer.consumer import OrderConsumer
from journeys.consumer.groups import OrderConsumers
from journeys.fetcher.account.gate import Gate, GatePolicy, Limit, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.backoff import Backoff, QuickTries
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.memory import MemoryBudget
from journeys.producer.publisher import Publisher
from journeys.routing import Routes
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.event_loop.order_reader import Orders
from journeys.worker.handover import Backlog
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.loop import KafkaLoop, Pace
from journeys.worker.kafka_thread.scheduled import Schedule
from journeys.worker.oversized import replace_oversized

ORDERS = "orders.completed"
DEAD_LETTER = "orders.dead-letter"
TIERS = (("orders.retry.1m", 2.0), ("orders.retry.10m", 5.0))
"""Shorter than their names: a simulation waits for both, often."""

MEMORY = 10_000
"""Bytes in hand: so few that orders wait for room now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a user may set; all workers of one run have the same. Times in seconds."""

    protocol: Kind = "classic"
    orders_in_hand: int = 10
    map_limit: int = 60
    poll: float = 0.2
    transaction: float = 6.0
    """When a transaction is given up."""
    transaction_timeout: float = 10.0
    """When the broker gives it up."""
    max_records: int = 40
    concurrency: int = 6
    max_poll: float = 60.0
    rate: float | None = None
    settle: float = 0.0


@dataclass(kw_only=True)
class Parts:
    """The classes a worker is made of: a defect replaces one."""

    source: type[OrderConsumer] = OrderConsumer
    publisher: type[Publisher] = Publisher
    assignments: type[Assignments] = Assignments
    pool: type[OrderPool] = OrderPool
    loop: type[KafkaLoop] = KafkaLoop
    consumer: Callable[..., ModelConsumer] = ModelConsumer
    map_limit: int | None = None


class Worker:
    """One process. `on_beat` is called at each turn of its Kafka thread."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        parts: Parts,
        instance_id: str,
        process: Process,
        link: Link,
        weather: Weather,
        cluster: Cluster,
        api: Api,
        teller: Teller,
        on_beat: Callable[[Worker], object],
    ) -> None:
        self.settings = settings
        self.instance_id = instance_id
        self.process = process
        self.link = link
        self.weather = weather
        self.wall_offset = 0.0
        self.consumers: list[ModelConsumer] = []
        self.failure: BaseException | None = None
        """What the pool calls a defect."""
        self._parts = parts
        self._cluster = cluster
        self._teller = teller
        scheduler = process.scheduler
        self._clock = Clock(
            monotonic=lambda: scheduler.now,
            wall=lambda: WALL + scheduler.now + self.wall_offset,
            sleep=lambda seconds: process.wait(max(seconds, 0.0001)),
        )
        self.assignments = parts.assignments(
            start="earliest", map_limit=parts.map_limit or settings.map_limit, clock=self._clock
        )
        self._backlog = Backlog()
        with process.loop.running():
            self.keeper = self._keeper()
            self.fetcher = self._fetcher(api)
            self.pool = self._pool()
        self.kafka = self._kafka()
        self.kafka.on_beat = lambda _now: on_beat(self)
        self.thread = process.thread(self._run)

    def stop(self) -> None:
        """SIGTERM."""
        self.kafka.stop()
        with self.process.loop.running():
            self.pool.close()

    def _run(self) -> None:
        self.kafka.run(self._connect)
        self.kafka.leave()

    def _connect(self, listener: KafkaLoop) -> OrderConsumers:
        sources: dict[OrderConsumer, list[str]] = {}
        for group, topics in (("journeys", [ORDERS]), ("journeys.retry", [topic for topic, _ in TIERS])):
            config = {
                "group.id": group,
                "group.protocol": self.settings.protocol,
                "isolation.level": "read_committed",
                "max.poll.interval.ms": int(self.settings.max_poll * 1000),
            }
            sources[self._parts.source(config, topics, listener, consumer=self._consumer)] = topics
        return OneAfterAnother(sources)

    def _consumer(self, config: dict[str, object], **_: object) -> Any:
        made = self._parts.consumer(self._cluster, self.link, self.weather, config)
        self.consumers.append(made)
        return made

    def _producer(self, config: dict[str, object], **_: object) -> Any:
        return ModelProducer(self._cluster, self.link, self.weather, config)

    def _keeper(self) -> Gatekeeper:
        policy = GatePolicy(
            failures=Limit(run=6, share=0.5, least=10, window=30.0),
            orders=3,
            probes=Backoff(base_s=0.5, cap_s=3.0),
            pauses=Backoff(base_s=0.5, cap_s=3.0),
        )
        return Gatekeeper(
            Gate(policy),
            RateLimiter(self.settings.rate),
            slots=self.settings.concurrency,
            chance=self.process.random,
            changed=self._gate_changed,
            clock=self._clock,
        )

    def _gate_changed(self, reasons: Mapping[Reason, str]) -> None:
        self._teller.gate(reasons)
        self.pool.resume()

    def _fetcher(self, api: Api) -> Fetcher:
        return Fetcher(
            ModelClient(api, self.process),
            Policy(
                pages_per_order=2,
                max_events=MAX_EVENTS,
                tries=QuickTries(tries=3, base_s=0.2, cap_s=1.0, budget_s=5.0),
            ),
            keeper=self.keeper,
            observer=self._teller,
            chance=self.process.random,
            memory=MemoryBudget(
                MEMORY, backlog=self._backlog, suspended=lambda: self.keeper.is_probed, first_page_bytes=500
            ),
            clock=self._clock,
        )

    def _pool(self) -> OrderPool:
        retry_topics = frozenset(topic for topic, _ in TIERS)
        orders = Orders(
            account="default",
            form="text",
            pointer="/order_id",
            schema_text=_no_registry,
            is_retry=retry_topics.__contains__,
            awaits=_no_registry,
        )
        return self._parts.pool(
            read=orders.read,
            fetch=lambda order, accept_empty: self.fetcher.fetch(order, accept_empty=accept_empty),
            encode=encoder.encode,
            routes=ROUTES,
            slots=2 * self.settings.concurrency,
            keeper=self.keeper,
            observer=self._teller,
            failed=self._fail,
            results=self._backlog.results,
            clock=self._clock,
        )

    def _kafka(self) -> KafkaLoop:
        settings = self.settings
        retry_topics = frozenset(topic for topic, _ in TIERS)
        return self._parts.loop(
            publisher=self._parts.publisher(
                {
                    "transactional.id": f"journeys-{self.instance_id}",
                    "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                },
                clock=self._clock.monotonic,
                producer=self._producer,
                watch=self._watch,
            ),
            pool=self.pool,
            backlog=self._backlog,
            assignments=self.assignments,
            bounds=Bounds(orders=settings.orders_in_hand, bytes=MEMORY),
            pace=Pace(
                linger=0.1, max_records=settings.max_records, poll=settings.poll, transaction=settings.transaction
            ),
            due_ms=Schedule(retry_topics=retry_topics, longest=ROUTES.longest, settle=settings.settle).due_ms,
            gate=self.keeper,
            replace_oversized=lambda finished: replace_oversized(finished, ROUTES, now_ms=self._clock.wall_ms()),
            bytes_in_progress=lambda: self.fetcher.bytes_in_hand + self._backlog.results.bytes,
            observer=self._teller,
            clock=self._clock,
        )

    def _watch(self, call: Callable[[], object], left: Callable[[], float]) -> None:
        """As `in_thread`, with a thread of this process."""
        helper = self.process.thread(call)
        while True:
            self.process.wait(max(0.1, min(0.5, left())), helper.ended)
            if helper.done:
                break
            if left() <= 0:
                raise TimeoutError("a call did not return in time")
        if helper.error is not None:
            raise helper.error

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error


ROUTES = Routes(retry_tiers=TIERS, dead_letter=DEAD_LETTER, empty_after=(2.0, 5.0))


class OneAfterAnother(OrderConsumers):
    """OrderConsumers that are closed without threads."""

    def close(self) -> None:
        """Leave all groups."""
        for source in self._sources:
            source.close()


def _no_registry(wanted: object) -> str:
    raise AssertionError(f"no message here needs a schema: {wanted}")
