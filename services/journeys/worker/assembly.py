"""The parts of one worker, wired together. No decisions here, and no lifecycle: see `service`.

`rules_of` derives from the settings what the parts go by. `assemble` builds the parts from these rules and from the
clients, which are the worker's doors to the outside; a simulation brings its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from journeys.clock import Clock
from journeys.consumer.consumer import OrderConsumer
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.lag import Lag
from journeys.consumer.order_message import Format
from journeys.errors import SettingsError
from journeys.fetcher.account.gate import Gate, GatePolicy, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.backoff import QuickTries
from journeys.fetcher.fetch import Client, Fetcher, Policy
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.fetcher.memory import MemoryBudget
from journeys.kafka.admin import AskTopicIds
from journeys.kafka.config import consumer_config, membership
from journeys.ops.stuck import Patience
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.publisher import Publisher
from journeys.redact import without_credentials
from journeys.routing import Routes, longest_delay_s
from journeys.settings import Settings
from journeys.worker.event_loop.order_pool import Encoder, OrderPool, Tracer
from journeys.worker.event_loop.order_reader import OrderReader
from journeys.worker.handover import Backlog
from journeys.worker.happenings import Hooks
from journeys.worker.kafka_thread.admission import Admission
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.loop import KafkaLoop
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.results import PendingResults
from journeys.worker.kafka_thread.scheduled import Schedule
from journeys.worker.kafka_thread.topic_watch import TopicWatch
from journeys.worker.kafka_thread.transactions import Transactions

if TYPE_CHECKING:  # OpenTelemetry may not be installed
    from journeys.worker.tracing import Tracing

_SLOTS = 2
"""Orders being worked on for each request that may be in flight: while one encodes or waits, another asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The values that the parts of a worker go by. Times are in seconds."""

    account: str
    order_format: Format
    id_pointer: str
    retry_topics: frozenset[str]
    routes: Routes
    gate: GatePolicy
    rate: float | None
    """Requests per second, at most; None where no bound is known."""
    concurrency: int
    """Requests in flight at once, at most."""
    fetch: Policy
    bounds: Bounds
    first_page_bytes: int = 256 * 1024
    """The expected size of a first page until one was received."""
    map_limit: int
    """Characters of a commit's map, at most."""
    settle: float
    """How old an order must be before it is read."""
    pace: Pace
    servers: str
    """The Kafka brokers, for the commands in error messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The doors to the outside of one worker."""

    api: Client
    consumers: OrderConsumers
    ask_topic_ids: AskTopicIds
    publisher: Publisher
    encoder: Encoder
    schema_text: Callable[[int], str]
    """Asks the registry for the schema of an id; may block (see `OrderReader`)."""
    clock: Clock = field(default_factory=Clock)
    chance: Callable[[], float] = random.random
    """Gives numbers in [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one worker that others look at or stop."""

    fetcher: Fetcher
    reader: OrderReader
    pool: OrderPool
    kafka: KafkaLoop
    assignments: Assignments
    admission: Admission
    ages: Ages
    lag: Lag


def rules_of(settings: Settings) -> Rules:
    """Derive the rules from the settings."""
    orders, api, publish = settings.orders, settings.api, settings.publish
    dead_letters = replace(GatePolicy().dead_letters, run=orders.flood_run, share=orders.flood_share)
    # The broker aborts a transaction that is older than its time-out: to wait longer is in vain, and no rebalance is
    # served meanwhile. (Seen after a restart of the broker: AddOffsetsToTxn waited for 30 s in a queue of librdkafka
    # that had no connection.)
    transaction_s = min(Pace().transaction_s, settings.kafka.transaction_timeout)
    return Rules(
        account=api.account,
        order_format=orders.format,
        id_pointer=orders.id_pointer,
        retry_topics=frozenset(orders.retry_topics),
        routes=Routes(
            group=settings.kafka.group_id,
            retry_tiers=orders.tiers,
            dead_letter=orders.dead_letter,
            empty_after=api.empty_after,
        ),
        gate=GatePolicy(dead_letters=dead_letters, has_key=api.has_key),
        rate=api.ceiling,
        concurrency=api.max_concurrency,
        fetch=Policy(
            page_size=api.page_size,
            pages_per_order=api.pages_per_order,
            max_events=api.max_events,
            tries=QuickTries(tries=api.tries),
            codes=api.codes,
            probes=Policy().probes if orders.retry_topics else math.inf,  # without a tier it would be a dead letter
        ),
        bounds=Bounds(orders=orders.max_in_hand, bytes=orders.max_bytes_in_hand),
        map_limit=orders.map_limit,
        settle=settings.settle,
        pace=Pace(linger_s=publish.linger, max_records=publish.max_records, transaction_s=transaction_s),
        servers=without_credentials(settings.kafka.bootstrap_servers),
    )


def make_keeper(
    rules: Rules,
    changed: Callable[[Mapping[Reason, str]], object],
    *,
    chance: Callable[[], float] = random.random,
    clock: Clock | None = None,
) -> Gatekeeper:
    """The gatekeeper of the account; it calls `changed` with the reasons for which its gate is shut."""
    return Gatekeeper(
        Gate(rules.gate), RateLimiter(rules.rate), slots=rules.concurrency, chance=chance, changed=changed, clock=clock
    )


def assemble(
    rules: Rules,
    clients: Clients,
    *,
    keeper: Gatekeeper,
    hooks: Hooks,
    failed: Callable[[BaseException], None],
    tracer: Tracer | None = None,
) -> Parts:
    """Build the parts, on the event loop. The pool calls `failed` with a defect, there too."""
    clock, backlog = clients.clock, Backlog()
    fetcher = Fetcher(
        clients.api,
        rules.fetch,
        keeper=keeper,
        observer=hooks,
        chance=clients.chance,
        memory=MemoryBudget(
            rules.bounds.bytes,
            backlog=backlog,
            suspended=lambda: keeper.is_probed,
            first_page_bytes=rules.first_page_bytes,
        ),
        clock=clock,
    )
    reader = OrderReader(
        account=rules.account,
        order_format=rules.order_format,
        pointer=rules.id_pointer,
        schema_text=clients.schema_text,
        retry_topics=rules.retry_topics,
        awaits=hooks.registry,
        clock=clock,
    )
    pool = OrderPool(
        reader=reader,
        fetcher=fetcher,
        encoder=clients.encoder,
        results=backlog.results,
        routes=rules.routes,
        slots=_SLOTS * rules.concurrency,
        keeper=keeper,
        hooks=hooks,
        failed=failed,
        tracer=tracer,
        clock=clock,
    )
    topics = TopicWatch(
        clients.ask_topic_ids,
        groups=clients.consumers.group_by_topic,
        servers=rules.servers,
        hooks=hooks,
        clock=clock,
    )
    assignments = Assignments(clients.consumers, topics, map_limit=rules.map_limit, clock=clock)
    results = PendingResults(backlog, assignments, max_records=rules.pace.max_records)
    ages, lag = Ages(), Lag(clients.consumers)
    admission = Admission(
        assignments=assignments,
        results=results,
        pool=pool,
        gate=keeper.line,
        memory=fetcher,
        schedule=Schedule(
            retry_topics=rules.retry_topics,
            longest_s=longest_delay_s(rules.routes.retry_tiers, rules.routes.empty_after),
            settle_s=rules.settle,
        ),
        bounds=rules.bounds,
        routes=rules.routes,
        ages=ages,
        hooks=hooks,
        clock=clock,
    )
    transactions = Transactions(
        publisher=clients.publisher,
        consumers=clients.consumers,
        assignments=assignments,
        results=results,
        ages=ages,
        routes=rules.routes,
        pace=rules.pace,
        full_at=rules.bounds.orders / 2,
        hooks=hooks,
        clock=clock,
    )
    kafka = KafkaLoop(
        consumers=clients.consumers,
        topics=topics,
        assignments=assignments,
        admission=admission,
        results=results,
        transactions=transactions,
        pool=pool,
        ages=ages,
        lag=lag,
        pace=rules.pace,
        hooks=hooks,
        clock=clock,
    )
    return Parts(
        fetcher=fetcher,
        reader=reader,
        pool=pool,
        kafka=kafka,
        assignments=assignments,
        admission=admission,
        ages=ages,
        lag=lag,
    )


def make_client(settings: Settings) -> ApiClient:
    """The API's client; use it as an async context manager."""
    api = settings.api
    endpoint = Endpoint(
        base_url=api.base_url,
        version=api.version,
        page_size=api.page_size,
        max_concurrency=api.max_concurrency,
        connect_timeout_s=api.connect_timeout,
        read_timeout_s=api.read_timeout,
        total_timeout_s=api.total_timeout,
        max_page_bytes=api.max_page_bytes,
    )
    return ApiClient(endpoint, key=api.current_key)


def make_tracing(settings: Settings, *, instance_id: str) -> Tracing | None:
    """The traces of a worker; None where no collector is set, and then OpenTelemetry is not imported.

    Raises SettingsError if it is not installed.
    """
    tracing = settings.tracing
    if tracing.endpoint is None:
        return None
    try:
        from journeys.worker.tracing import Tracing, exporter  # noqa: PLC0415 - an extra
    except ImportError as missing:
        raise SettingsError(
            [("JOURNEYS_TRACING__ENDPOINT", f"needs journeys[otel], which is not installed: {missing}")]
        ) from None
    return Tracing(
        exporter(tracing.endpoint),
        ratio=tracing.ratio,
        group=settings.kafka.group_id,
        api=settings.api.base_url,
        instance=instance_id,
        chance=random.random,
        clock=Clock(),
    )


def make_encoder(settings: Settings, ids: Mapping[str, int], misfit: Callable[[str], None]) -> JourneyEncoder:
    """The encoder of events; `ids` are the registry's schema ids. It calls `misfit` with the pointer of a misfit."""
    return JourneyEncoder(
        ids,
        topic_prefix=settings.publish.topic_prefix,
        aliases=settings.publish.aliases,
        zone=settings.api.tzinfo,
        misfit=misfit,
        native=settings.publish.native,
    )


def make_consumers(settings: Settings) -> OrderConsumers:
    """Consumers of the orders, in the group that the user named, and of the retry tiers, in a group beside it.

    Raises SettingsError if librdkafka refuses a setting.
    """
    group = settings.kafka.group_id
    topics = {group: settings.orders.topics, f"{group}.retry": settings.orders.retry_topics}
    return OrderConsumers(
        {
            OrderConsumer(membership(settings) | consumer_config(settings, group_id=group_id), names): names
            for group_id, names in topics.items()
            if names
        }
    )


def patience(settings: Settings) -> Patience:
    """How long the watchdog waits.

    A page may take its last try, begun just before the time for tries was over. A low rate gives a turn seldom.
    """
    api, tries = settings.api, QuickTries(tries=settings.api.tries)
    return Patience(
        silence_s=settings.ops.stalled_after,
        order_s=tries.budget_s
        + tries.cap_s
        + api.total_timeout
        + settings.ops.stalled_after
        + 2 / (api.ceiling or math.inf),
        turns=_SLOTS * api.max_concurrency * api.pages_per_order * api.tries,
    )
