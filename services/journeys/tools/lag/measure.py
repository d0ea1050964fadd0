"""Measures how far the workers are: commits and ends of all partitions, and the first open orders."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import consumer_config
from journeys.kafka.orders import RegistryOrderReader
from journeys.kafka.reader import PartitionReader
from journeys.kafka.topics import require_present
from journeys.model import OrderMessage
from journeys.settings import Settings
from journeys.tools.commit import read_commit
from journeys.tools.due import DueTimes
from journeys.tools.lag.progress import OpenOrder, Progress
from journeys.tools.lag.report import Measurement

_COUNTED = 5_000
"""A partition with more open offsets is not counted: only its first open order is read."""


class LagMeter(AbstractContextManager["LagMeter"]):
    """Reads the lag of both groups of the workers; to be used in a `with` block, by one thread.

    Raises SetupError if no broker answers or a topic is missing, SettingsError for a setting that librdkafka does not
    take.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._orders = RegistryOrderReader(settings)
        self._due = DueTimes(settings)
        topics = (*settings.orders.topics, *settings.orders.retry_topics)
        existing = KafkaAdmin(settings).topics(*topics)
        require_present(topics, settings, existing)
        self._places = {topic: [(topic, number) for number in range(existing[topic])] for topic in topics}
        self._tiers = settings.orders.retry_topics
        self._open = ExitStack()
        group = settings.kafka.group_id
        # The groups are not joined: their names are enough to read what they have committed.
        self._readers = {
            name: self._open.enter_context(PartitionReader(consumer_config(settings, group_id=name)))
            for name in (group, f"{group}.retry")
        }
        self._group = group

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def measure(self) -> Measurement:
        """All partitions now. Blocks while a transaction holds offsets. Raises HaltError, UnknownMapError."""
        orders, retries = self._group, f"{self._group}.retry"
        found = {
            name: [
                self._progress(name, place)
                for topic, places in self._places.items()
                if (topic in self._tiers) == (name == retries)
                for place in places
            ]
            for name in (orders, retries)
        }
        at_ms = self._clock.wall_ms()
        return Measurement(
            at_ms=at_ms,
            orders=self._with_open_orders(found[orders], at_ms),
            retries=self._with_open_orders(found[retries], at_ms),
        )

    def _progress(self, group: str, place: Partition) -> Progress:
        reader = self._readers[group]
        commit = read_commit(reader, place)  # before the bounds: it never lies beyond them then
        return Progress(topic=place[0], partition=place[1], commit=commit, bounds=reader.bounds(*place))

    def _with_open_orders(self, found: list[Progress], at_ms: int) -> tuple[Progress, ...]:
        """Count the open orders and find the first of each partition, in one reading."""
        by_place: Mapping[Partition, Progress] = {(each.topic, each.partition): each for each in found}
        counts = dict.fromkeys(by_place, 0)
        first: dict[Partition, OrderMessage] = {}

        def enough(message: OrderMessage) -> bool:
            place = (message.position.topic, message.position.partition)
            measured = by_place[place]
            if measured.commit is None or not measured.commit.covers(message.position.offset):
                counts[place] += 1
                first.setdefault(place, message)
            return place in first and len(measured.open_offsets) > _COUNTED

        wanted = {place: each.open_offsets for place, each in by_place.items()}
        for _ in self._readers[self._group].read(wanted, enough=enough):
            pass
        return tuple(
            replace(
                each,
                counted=counts[place] if len(each.open_offsets) <= _COUNTED else None,
                oldest=self._opened(first[place], at_ms) if place in first else None,
            )
            for place, each in by_place.items()
        )

    def _opened(self, message: OrderMessage, at_ms: int) -> OpenOrder:
        return OpenOrder(
            offset=message.position.offset,
            order=self._orders.order_id(message),
            at_ms=message.timestamp_ms,
            due_ms=self._due.of(message, at_ms),
        )
