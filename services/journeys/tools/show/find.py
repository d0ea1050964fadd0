"""Reads Kafka for one order: order topics, retry tiers, dead letters, summaries, and the events of each edition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack

from journeys.avro.wire import Decoder
from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.dead_letters.filters import Filter
from journeys.dead_letters.topic import DeadLetterTopic, Progress
from journeys.errors import HaltError
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import consumer_config
from journeys.kafka.orders import RegistryOrderReader
from journeys.kafka.partitioner import partition_of
from journeys.kafka.reader import PartitionReader
from journeys.kafka.topics import require, required_topics
from journeys.model import Json, OrderMessage
from journeys.producer import schemas
from journeys.producer.registry import SchemaTexts
from journeys.settings import Settings
from journeys.tools.commit import read_commit
from journeys.tools.due import DueTimes
from journeys.tools.show.edition import Edition
from journeys.tools.show.keys import is_keyed
from journeys.tools.show.story import Looked, Received, Retried, Story, newness

_SAMPLED = 20
"""The newest records of each partition that are looked at, to learn whether a topic is keyed by order id."""
_AROUND_MS = 60_000
"""The events of an edition are written in one transaction with its summary: at most so long before it, or after."""


class OrderFinder(AbstractContextManager["OrderFinder"]):
    """Finds one order after the other; to be used in a `with` block, by one thread.

    With `everywhere`, all partitions are read, also of topics that are keyed by order id. `since_ms` leaves out older
    records. Raises SetupError if no broker answers or a topic is missing, SettingsError for a setting that librdkafka
    does not take.
    """

    def __init__(
        self, settings: Settings, *, everywhere: bool, since_ms: int | None, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._everywhere = everywhere
        self._since_ms = since_ms
        self._clock = clock or Clock()
        self._orders = RegistryOrderReader(settings)
        self._tiers = settings.orders.retry_topics
        self._due = DueTimes(settings)
        self._open = ExitStack()
        texts = self._open.enter_context(SchemaTexts(settings.registry.url, settings.registry.config))
        self._decoder = Decoder(texts.text, trusted=True)
        self._existing = KafkaAdmin(settings).topics(*required_topics(settings))
        require(settings, self._existing)
        self._letters = self._open.enter_context(DeadLetterTopic(settings, now_ms=self._clock.wall_ms()))
        group = settings.kafka.group_id
        # The groups are not joined: their names are enough to read what they have committed.
        self._reader, self._retry_reader = (
            self._open.enter_context(PartitionReader(consumer_config(settings, group_id=name)))
            for name in (group, f"{group}.retry")
        )

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def registry_error(self) -> str | None:
        """Why the registry could not be asked for the schemas of order messages; None if it could, or was not asked."""
        return self._orders.error or self._letters.registry_error

    def find(self, order: str, on: Progress) -> Story:
        """Everything about this order. Raises HaltError, and SetupError if the registry does not answer."""
        wanted = self._bounds(self._places([*self._settings.orders.topics, *self._tiers]))
        if not self._everywhere:
            keyed = self._keyed(wanted)
            wanted = {
                (topic, number): bounds
                for (topic, number), bounds in wanted.items()
                if not keyed[topic] or number == partition_of(order.encode(), self._existing[topic])
            }
        summaries = self._topic(schemas.SUMMARY)
        wanted |= self._bounds(self._own_places([summaries], order))
        letters = self._letters.scan(Filter(order=order), on).letters
        messages, looked = self._read(order, wanted, on)
        return Story(
            order=order,
            received=[self._received(each) for each in messages if each.position.topic in self._settings.orders.topics],
            retries=[self._retried(each) for each in messages if each.position.topic in self._tiers],
            letters=letters,
            editions=self._editions(order, [each for each in messages if each.position.topic == summaries]),
            looked=looked,
        )

    def _places(self, topics: Iterable[str]) -> list[Partition]:
        """All partitions of these topics."""
        return [(topic, number) for topic in topics for number in range(self._existing[topic])]

    def _own_places(self, topics: Iterable[str], order: str) -> list[Partition]:
        """The partitions of the order's key, in topics that the workers write to; all of them with `everywhere`."""
        if self._everywhere:
            return self._places(topics)
        return [(topic, partition_of(order.encode(), self._existing[topic])) for topic in topics]

    def _keyed(self, places: Mapping[Partition, range]) -> dict[str, bool]:
        """For each topic, whether the newest records have the order id as their key, in the key's partition."""
        samples: dict[str, list[tuple[OrderMessage, str | None]]] = {topic: [] for topic, _ in places}
        newest = {place: bounds[-_SAMPLED:] for place, bounds in places.items()}
        for message in self._reader.read(newest):
            samples[message.position.topic].append((message, self._orders.order_id(message)))
        return {topic: is_keyed(found, self._existing[topic]) for topic, found in samples.items()}

    def _bounds(self, places: list[Partition]) -> dict[Partition, range]:
        """The offsets of these partitions, from `since_ms` on."""
        found = {place: self._reader.bounds(*place) for place in places}
        if self._since_ms is None:
            return found
        starts = self._reader.offsets_at(places, self._since_ms)
        return {place: range(starts.get(place, bounds.stop), bounds.stop) for place, bounds in found.items()}

    def _read(
        self, order: str, wanted: Mapping[Partition, range], on: Progress
    ) -> tuple[list[OrderMessage], list[Looked]]:
        """The records of this order, in the order of their times, and what was read."""
        total = sum(len(bounds) for bounds in wanted.values())
        found: list[OrderMessage] = []
        counts: dict[str, int] = defaultdict(int)
        oldest: dict[str, int] = {}
        summaries = self._topic(schemas.SUMMARY)
        for count, message in enumerate(self._reader.read(wanted), start=1):
            topic, at_ms = message.position.topic, message.timestamp_ms
            counts[topic] += 1
            if at_ms is not None:
                oldest[topic] = min(at_ms, oldest.get(topic, at_ms))
            on(count, total)
            is_ours = message.key == order.encode() if topic == summaries else self._orders.order_id(message) == order
            if is_ours:
                found.append(message)
        on(total, total)  # markers of transactions take offsets, and are no records
        looked = [
            Looked(
                topic=topic,
                partitions=tuple(number for at, number in wanted if at == topic),
                of=self._existing[topic],
                records=counts[topic],
                since_ms=oldest.get(topic),
            )
            for topic in dict.fromkeys(topic for topic, _ in wanted)
        ]
        return sorted(found, key=newness), looked

    def _received(self, message: OrderMessage) -> Received:
        is_open = self._is_open(self._reader, message)
        return Received(message=message, open=is_open, due_ms=self._due_ms(message) if is_open else None)

    def _retried(self, message: OrderMessage) -> Retried:
        is_open = self._is_open(self._retry_reader, message)
        return Retried(message=message, open=is_open, due_ms=self._due_ms(message) if is_open else None)

    def _is_open(self, reader: PartitionReader, message: OrderMessage) -> bool:
        """Whether the reader's group has not finished this message."""
        position = message.position
        commit = read_commit(reader, (position.topic, position.partition))
        return commit is None or not commit.covers(position.offset)

    def _due_ms(self, message: OrderMessage) -> int | None:
        return self._due.of(message, self._clock.wall_ms())

    def _editions(self, order: str, found: list[OrderMessage]) -> list[Edition]:
        """The editions that these summaries announce, with their events; the newest first."""
        editions = [
            Edition(
                summary=(summary := self._decoded(message)),
                events=tuple(self._events(order, summary["edition"], message)),
            )
            for message in found
            if message.value is not None  # a compacted topic may hold tombstones
        ]
        return sorted(editions, key=lambda edition: edition.newness, reverse=True)

    def _events(self, order: str, edition: str, summary: OrderMessage) -> Iterator[tuple[str, Mapping[str, Json]]]:
        """The events and rejected items of one edition, with their channels."""
        written_ms = summary.timestamp_ms or 0
        channels = {self._topic(name): name for name in schemas.RECORDS if name != schemas.SUMMARY}
        places = [
            (topic, number)
            for topic, number in self._places(channels)
            if self._everywhere or number == summary.position.partition
        ]
        starts = self._reader.offsets_at(places, written_ms - _AROUND_MS)
        stops = self._reader.offsets_at(starts, written_ms + _AROUND_MS)
        wanted = {
            place: range(start, stops[place] if place in stops else self._reader.bounds(*place).stop)
            for place, start in starts.items()
        }
        for message in self._reader.read(wanted):
            if message.key == order.encode() and (message.header("edition") or b"").decode() == edition:
                yield channels[message.position.topic], self._decoded(message)

    def _decoded(self, message: OrderMessage) -> Mapping[str, Json]:
        try:
            record: Mapping[str, Json] = self._decoder.decode(message.value or b"")
        except ValueError as error:
            raise HaltError(f"{message.position} cannot be read: {error}") from None
        return record

    def _topic(self, name: str) -> str:
        return schemas.topic(self._settings.publish.topic_prefix, name)
