"""The facts that the checks judge, and the only I/O of `doctor`. The first check that needs a fact asks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import cached_property

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.doctor.api import Probed
from journeys.doctor.machine import memory_limit_bytes
from journeys.doctor.rights import group_names, wanted_on_topics
from journeys.errors import HaltError, OrderError
from journeys.fetcher.http.client import ApiClient
from journeys.fetcher.pages import Answer
from journeys.fetcher.probe import probe
from journeys.kafka import topics
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.cluster import Cluster, Group, Offsets
from journeys.kafka.config import producer_config
from journeys.kafka.inspector import Inspector
from journeys.producer import registry
from journeys.producer.publisher import Outcome, Publisher
from journeys.producer.registry import Subject
from journeys.settings import Settings
from journeys.worker.assembly import make_client, make_keeper, rules_of

_INSTANCE = "doctor"
_TRANSACTION_S = 8.0
"""The longest wait for a producer, and for the end of its transaction."""


class Facts:
    """Facts about everything that a worker of these settings needs. Each one blocks when it is first asked for.

    They raise JourneysError. Only one thread at a time may ask for the same fact. Raises SettingsError if
    librdkafka refuses a property.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._inspector = Inspector(settings)

    @cached_property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit of this container."""
        return memory_limit_bytes()

    @cached_property
    def cluster(self) -> Cluster:
        """The brokers and the visible topics."""
        return self._inspector.cluster()

    @cached_property
    def existing(self) -> dict[str, int]:
        """Topic → partition count, as a worker asks for them: an error if a topic is hidden from this client."""
        return KafkaAdmin(self._settings).topics(*topics.required_topics(self._settings))

    @property
    def visible(self) -> dict[str, int]:
        """Topic → partition count of the visible topics."""
        return {name: topic.partitions for name, topic in self.cluster.topics.items()}

    @cached_property
    def topic_settings(self) -> dict[str, dict[str, str]]:
        """Topic → its settings in Kafka."""
        wanted = topics.required_topics(self._settings)
        return self._inspector.topic_settings([topic for topic in wanted if topic in self.cluster.topics])

    @cached_property
    def rights_on_topics(self) -> dict[str, frozenset[str] | None]:
        """Topic → the operations that this client may perform."""
        return self._inspector.rights_on_topics(list(wanted_on_topics(self._settings)))

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups of a worker."""
        return self._inspector.groups(group_names(self._settings))

    @cached_property
    def offsets(self) -> dict[Partition, Offsets]:
        """The offsets in each partition of the order topics and the retry tiers that exist."""
        orders = self._settings.orders
        read = (orders.topics, orders.retry_topics)
        found: dict[Partition, Offsets] = {}
        for group, names in zip(group_names(self._settings), read, strict=False):
            counts = {name: self.visible[name] for name in names if name in self.visible}
            found |= self._inspector.offsets(group, counts)
        return found

    def transaction(self) -> str:
        """Begin and end a transaction without records. Returns its transactional id."""
        config = producer_config(self._settings, instance_id=_INSTANCE)
        publisher = Publisher(config)
        try:
            publisher.rebuild(timeout_s=_TRANSACTION_S)
            result = publisher.publish((), (), timeout_s=_TRANSACTION_S)
        finally:
            publisher.discard()
        if result.outcome is not Outcome.COMMITTED:
            raise HaltError(f"a transaction without records ended as {result.outcome}: {result.reason}")
        return str(config["transactional.id"])

    @cached_property
    def subjects(self) -> list[Subject]:
        """The state of each subject in the registry."""
        place = self._settings.registry
        return registry.check(place.url, place.config, self._settings.publish.topic_prefix)

    @cached_property
    def compatibility(self) -> Mapping[str, str | None]:
        """Subject → its compatibility level."""
        place = self._settings.registry
        return registry.compatibility(place.url, place.config, self._settings.publish.topic_prefix)

    @cached_property
    def api(self) -> Probed:
        """The API's answer to the request that a worker sends at its start."""
        return asyncio.run(_probed(self._settings))


class _Listening:
    """A client that keeps the last answer. See `fetch.Client`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.answer: Answer | None = None

    async def ask(self, order_id: str, page: int) -> Answer:
        self.answer = await self._client.ask(order_id, page)
        return self.answer

    def refresh_key(self) -> None:
        self._client.refresh_key()


async def _probed(settings: Settings) -> Probed:
    keeper = make_keeper(rules_of(settings), lambda _reasons: None)
    async with make_client(settings) as client:
        listening = _Listening(client)
        began, at = time.monotonic(), time.time()
        error: OrderError | None = await probe(listening, keeper, codes=settings.api.codes, clock=Clock())
        took_s = time.monotonic() - began
    return Probed(answer=listening.answer, error=error, took_s=took_s, at=at + took_s / 2)
