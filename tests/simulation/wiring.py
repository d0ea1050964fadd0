"""One worker, assembled as `worker/service.py` does it; only its clients, its clock and its encoder are simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch

from tests.simulation.api import MAX_EVENTS, Api, ModelClient
from tests.simulation.encoder import JsonEncoder
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
from journeys.fetcher.account.gate import GatePolicy, Limit, Reason
from journeys.fetcher.backoff import Backoff, QuickTries
from journeys.fetcher.fetch import Policy
from journeys.kafka.admin import TopicIds
from journeys.kafka.reader import PartitionReader, outsider_metadata
from journeys.ops.health import Health, Unready
from journeys.producer.publisher import Publisher
from journeys.routing import Routes
from journeys.worker import assembly
from journeys.worker.assembly import Clients, Rules, make_keeper
from journeys.worker.happenings import Hooks
from journeys.worker.hooks.readiness import ReadinessHook
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.start import GroupStart

ORDERS = "orders.completed"
DEAD_LETTER = "orders.dead-letter"
TIERS = (("orders.retry.1m", 2.0), ("orders.retry.10m", 5.0))
"""Shorter than their names: a simulation waits for both, often."""

ROUTES = Routes(group="journeys", retry_tiers=TIERS, dead_letter=DEAD_LETTER, empty_after=(2.0, 5.0))
MEMORY = 10_000
"""Bytes in hand: so few that orders wait for memory now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The settings that a seed draws; all workers of one run have the same. Times in seconds."""

    protocol: Kind = "classic"
    orders_in_hand: int = 10
    map_limit: int = 66
    poll: float = 0.2
    transaction: float = 6.0
    """When the worker abandons a transaction."""
    transaction_timeout: float = 10.0
    """When the broker aborts it."""
    max_records: int = 40
    concurrency: int = 6
    max_poll: float = 60.0
    rate: float | None = None
    settle: float = 0.0
    start: Literal["earliest", "latest", "error"] = "earliest"

    def rules(self, map_limit: int | None) -> Rules:
        """The rules of a worker with these settings; `map_limit` overrides theirs."""
        return Rules(
            account="default",
            order_format="text",
            id_pointer="/order_id",
            retry_topics=frozenset(topic for topic, _ in TIERS),
            routes=ROUTES,
            gate=GatePolicy(
                failures=Limit(run=6, share=0.5, least=10, window_s=30.0),
                orders=3,
                probes=Backoff(base_s=0.5, cap_s=3.0),
                pauses=Backoff(base_s=0.5, cap_s=3.0),
            ),
            rate=self.rate,
            concurrency=self.concurrency,
            fetch=Policy(
                pages_per_order=2,
                max_events=MAX_EVENTS,
                tries=QuickTries(tries=3, base_s=0.2, cap_s=1.0, budget_s=5.0),
            ),
            bounds=Bounds(orders=self.orders_in_hand, bytes=MEMORY),
            first_page_bytes=500,
            map_limit=map_limit or self.map_limit,
            settle=self.settle,
            pace=Pace(linger_s=0.1, max_records=self.max_records, poll_s=self.poll, transaction_s=self.transaction),
            servers="kafka:9092",
        )


@dataclass(kw_only=True)
class Parts:
    """The classes of a worker that a defect replaces."""

    consumer: type[OrderConsumer] = OrderConsumer
    publisher: type[Publisher] = Publisher
    start: type[GroupStart] = GroupStart
    assembled: Mapping[str, type] = field(default_factory=dict)
    """Classes in `worker/assembly.py`, by the names that they have there."""
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
        self.is_starting = True
        """Whether it has not asked to join its groups yet."""
        self.failure: BaseException | None = None
        """A defect that the pool found."""
        self._cluster = cluster
        self._parts = parts
        self._health = Health()
        self._hooks = Hooks(teller, ReadinessHook(self._health))
        self._on_beat = on_beat
        scheduler = process.scheduler
        self._clock = Clock(
            monotonic=lambda: scheduler.now,
            wall=lambda: WALL + scheduler.now + self.wall_offset,
            sleep=lambda seconds: process.wait(max(seconds, 0.0001)),
        )
        rules = settings.rules(parts.map_limit)
        clients = Clients(
            api=ModelClient(api, process),
            consumers=self._make_consumers(parts),
            ask_topic_ids=self._ask_topic_ids,
            publisher=self._make_publisher(parts, self.instance_id),
            encoder=JsonEncoder(),
            schema_text=_no_registry,
            clock=self._clock,
            chance=process.random,
        )
        with process.loop.running(), patch.dict(vars(assembly), parts.assembled):
            self.keeper = make_keeper(rules, self._gate_changed, chance=process.random, clock=self._clock)
            assembled = assembly.assemble(rules, clients, keeper=self.keeper, hooks=self._hooks, failed=self._fail)
        self.pool = assembled.pool
        self.kafka = assembled.kafka
        self.assignments = assembled.assignments
        self.admission = assembled.admission
        self.thread = process.thread(self._run)

    def unready(self, reason: Unready) -> str:
        """The text of a reason in /readyz; empty if it does not hold."""
        trouble = self._health.readiness().unready.get(reason)
        return "" if trouble is None else trouble.why

    def stop(self) -> None:
        """SIGTERM. Before it joins its groups, the process ends at once."""
        if self.is_starting:
            self.process.kill()
            return
        self.kafka.stop()
        with self.process.loop.running():
            self.pool.close()

    def _run(self) -> None:
        if self.settings.start != "earliest":
            self._decide_start(self.settings.start)
        self.is_starting = False
        turn = self.kafka.step

        def step() -> None:
            self._on_beat(self)
            turn()

        self.kafka.step = step  # type: ignore[method-assign]  # looked at from outside
        self.kafka.run()
        self.kafka.leave()

    def _decide_start(self, start: Literal["latest", "error"]) -> None:
        config = {"group.id": "journeys"}
        with PartitionReader(config, consumer=self._stranger, monotonic=self._clock.monotonic) as reader:
            decision = self._parts.start(
                reader=reader,
                metadata=outsider_metadata("journeys", consumer=self._stranger),
                publisher=self._make_publisher(self._parts, "start"),
                transaction_s=self.settings.transaction_timeout,
                chance=self.process.random,
                sleep=self._clock.sleep,
            )
            decision.decide([ORDERS], start=start)

    def _stranger(self, config: dict[str, object], **_: object) -> Any:
        """A consumer that joins no group."""
        return ModelConsumer(self._cluster, self.link, self.weather, config)

    def _make_consumers(self, parts: Parts) -> OrderConsumers:
        consumers: dict[OrderConsumer, list[str]] = {}
        for group, topics in (("journeys", [ORDERS]), ("journeys.retry", [topic for topic, _ in TIERS])):
            config = {
                "group.id": group,
                "group.protocol": self.settings.protocol,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "max.poll.interval.ms": int(self.settings.max_poll * 1000),
            }
            consumers[parts.consumer(config, topics, consumer=self._consumer)] = topics
        return OneAfterAnother(consumers)

    def _consumer(self, config: dict[str, object], **_: object) -> Any:
        made = ModelConsumer(self._cluster, self.link, self.weather, config)
        self.consumers.append(made)
        return made

    def _ask_topic_ids(self, topics: Sequence[str]) -> Callable[[], TopicIds | None]:
        """As `KafkaAdmin.ask_ids`. The answer is as old as the question."""
        answers: list[TopicIds] = []
        self.link.deliver(lambda: answers.append(self._cluster.ids_of(topics)), self.link.latency)
        return lambda: answers[0] if answers else None

    def _make_publisher(self, parts: Parts, instance_id: str) -> Publisher:
        return parts.publisher(
            {
                "transactional.id": f"journeys-{instance_id}",
                "transaction.timeout.ms": int(self.settings.transaction_timeout * 1000),
            },
            clock=self._clock.monotonic,
            producer=self._producer,
            bounded=self._bounded,
        )

    def _producer(self, config: dict[str, object], **_: object) -> Any:
        return ModelProducer(self._cluster, self.link, self.weather, config)

    def _bounded(self, call: Callable[[], object], left: Callable[[], float]) -> None:
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

    def _gate_changed(self, reasons: Mapping[Reason, str]) -> None:
        self._hooks.gate(reasons)
        self.pool.resume()

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error


class OneAfterAnother(OrderConsumers):
    """OrderConsumers that are closed without threads."""

    def close(self) -> None:
        """Leave all groups."""
        for consumer in self._consumers:
            consumer.close()


def _no_registry(wanted: object) -> str:
    raise AssertionError(f"no message here needs a schema: {wanted}")
