"""The parts of one worker, each built from the settings. No decisions here, and no lifecycle: see `service`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from journeys.clock import Clock
from journeys.consumer.consumer import OrderConsumer
from journeys.consumer.groups import OrderConsumers
from journeys.fetcher.account.gate import Gate, GatePolicy, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.backoff import QuickTries
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.fetcher.memory import MemoryBudget
from journeys.kafka.config import consumer_config
from journeys.ops.stuck import Patience
from journeys.producer import registry
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.publisher import Publisher
from journeys.routing import Routes
from journeys.settings import Settings
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.event_loop.order_reader import Orders
from journeys.worker.handover import Backlog, ResultQueue
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.loop import KafkaLoop, Pace
from journeys.worker.kafka_thread.scheduled import Schedule
from journeys.worker.observer import WorkerObserver
from journeys.worker.oversized import replace_oversized

_SLOTS = 2
"""Orders being worked on for each request that may be in flight: while one encodes or waits, another asks."""


def make_client(settings: Settings) -> ApiClient:
    """The API's client; to be used as an async context manager."""
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


def make_keeper(settings: Settings, changed: Callable[[Mapping[Reason, str]], object]) -> Gatekeeper:
    """The gatekeeper of the account; `changed` is told why its gate is shut."""
    orders, api = settings.orders, settings.api
    dead_letters = replace(GatePolicy().dead_letters, run=orders.flood_run, share=orders.flood_share)
    return Gatekeeper(
        Gate(GatePolicy(dead_letters=dead_letters, has_key=api.has_key)),
        RateLimiter(api.ceiling),
        slots=api.max_concurrency,
        chance=random.random,
        changed=changed,
    )


def make_fetcher(
    settings: Settings, client: ApiClient, *, backlog: Backlog, keeper: Gatekeeper, observer: WorkerObserver
) -> Fetcher:
    """What turns orders into journeys."""
    api = settings.api
    policy = Policy(
        pages_per_order=api.pages_per_order,
        max_events=api.max_events,
        tries=QuickTries(tries=api.tries),
        codes=api.codes,
    )
    memory = MemoryBudget(settings.orders.max_bytes_in_hand, backlog=backlog, suspended=lambda: keeper.is_probed)
    return Fetcher(client, policy, keeper=keeper, observer=observer, chance=random.random, memory=memory)


def make_pool(
    settings: Settings,
    ids: Mapping[str, int],
    fetcher: Fetcher,
    *,
    results: ResultQueue,
    keeper: Gatekeeper,
    observer: WorkerObserver,
    failed: Callable[[BaseException], None],
) -> OrderPool:
    """The event loop's side; `ids` are the registry's schema ids. To be made on the event loop."""
    api, orders, place = settings.api, settings.orders, settings.registry
    reader = Orders(
        account=api.account,
        form=orders.format,
        pointer=orders.id_pointer,
        schema_text=lambda number: registry.schema_text(place.url, place.config, number),
        is_retry=_retry_topics(settings).__contains__,
        awaits=observer.registry,
    )
    encoder = JourneyEncoder(
        ids,
        topic_prefix=settings.publish.topic_prefix,
        aliases=settings.publish.aliases,
        zone=api.tzinfo,
        misfit=observer.misfit,
        native=settings.publish.native,
    )
    return OrderPool(
        read=reader.read,
        fetch=lambda order, accept_empty: fetcher.fetch(order, accept_empty=accept_empty),
        encode=encoder.encode,
        routes=_routes(settings),
        slots=_SLOTS * api.max_concurrency,
        keeper=keeper,
        observer=observer,
        failed=failed,
        results=results,
    )


def make_kafka(
    settings: Settings,
    publisher: Publisher,
    pool: OrderPool,
    fetcher: Fetcher,
    *,
    backlog: Backlog,
    keeper: Gatekeeper,
    observer: WorkerObserver,
) -> KafkaLoop:
    """The Kafka thread's side."""
    orders, routes = settings.orders, _routes(settings)
    return KafkaLoop(
        publisher=publisher,
        pool=pool,
        backlog=backlog,
        assignments=Assignments(start=orders.start, map_limit=orders.map_limit),
        bounds=Bounds(orders=orders.max_in_hand, bytes=orders.max_bytes_in_hand),
        pace=make_pace(settings),
        due_ms=Schedule(retry_topics=_retry_topics(settings), longest=routes.longest, settle=settings.settle).due_ms,
        gate=keeper,
        replace_oversized=lambda finished: replace_oversized(finished, routes, now_ms=Clock().wall_ms()),
        bytes_in_progress=lambda: fetcher.bytes_in_hand + backlog.results.bytes,
        observer=observer,
    )


def patience(settings: Settings) -> Patience:
    """What the watchdog bears with. A page may take its last try, begun just before the time for tries was over."""
    api, tries = settings.api, QuickTries(tries=settings.api.tries)
    return Patience(
        silence=settings.ops.stalled_after,
        order=tries.budget_s + tries.cap_s + api.total_timeout + settings.ops.stalled_after,
        turns=_SLOTS * api.max_concurrency * api.pages_per_order * api.tries,
    )


def make_pace(settings: Settings) -> Pace:
    """The times of the Kafka thread.

    A transaction that is older than its time-out has been aborted by the broker: to wait on is to wait in vain, and no
    rebalance is served meanwhile. (Seen after a restart of the broker: AddOffsetsToTxn waited for 30 s in a queue of
    librdkafka that was connected to nobody.)
    """
    usual = Pace()
    return replace(
        usual,
        linger=settings.publish.linger,
        max_records=settings.publish.max_records,
        transaction=min(usual.transaction, settings.kafka.transaction_timeout),
    )


def make_consumers(settings: Settings, listener: KafkaLoop) -> OrderConsumers:
    """Orders in the group that the user named, retry tiers in one beside it."""
    group = settings.kafka.group_id
    topics = {group: settings.orders.topics, f"{group}.retry": tuple(topic for topic, _ in settings.orders.tiers)}
    return OrderConsumers(
        {
            OrderConsumer(consumer_config(settings, group_id=group_id), names, listener): names
            for group_id, names in topics.items()
            if names
        }
    )


def _routes(settings: Settings) -> Routes:
    return Routes(
        retry_tiers=settings.orders.tiers,
        dead_letter=settings.orders.dead_letter,
        empty_after=settings.api.empty_after,
    )


def _retry_topics(settings: Settings) -> frozenset[str]:
    return frozenset(topic for topic, _ in settings.orders.tiers)
