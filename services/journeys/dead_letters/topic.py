"""The dead-letter topic, read up to its end as it was when a command began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from journeys.dead_letters.filters import Filter
from journeys.dead_letters.letters import Letter, ReplayedOffsets, State, read_letter
from journeys.dead_letters.scan import PartitionScan, Scan
from journeys.errors import HaltError, SetupError
from journeys.kafka import topics
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import consumer_config
from journeys.kafka.orders import RegistryOrderReader
from journeys.kafka.reader import PartitionReader
from journeys.model import OrderMessage
from journeys.settings import Settings

Progress = Callable[[int, int], object]
"""Called with how many are done, and of how many."""

_OFFSETS_KEPT_S = 7 * 86400.0
"""How long Kafka keeps the offsets of a group without members, unless it is configured otherwise."""


class DeadLetterTopic(AbstractContextManager["DeadLetterTopic"]):
    """All letters; to be used in a `with` block, by one thread.

    `existing` maps each topic of the cluster to its partition count. Raises SetupError if no broker answers or the
    topic is missing, SettingsError for a setting that librdkafka does not take.
    """

    def __init__(self, settings: Settings, *, now_ms: int) -> None:
        broker = KafkaAdmin(settings)
        topic = settings.orders.dead_letter
        self.existing = broker.topics(topic)
        if topic not in self.existing:
            raise SetupError(f"the topic of dead letters, {topic}, is missing", remedy=topics.CREATE)
        self._topic = topic
        self._forgotten_before_ms = now_ms - int(1000 * (broker.remembers_offsets() or _OFFSETS_KEPT_S))
        # A replay that was killed keeps its transaction open until the broker aborts it; it looks every ten seconds.
        self._patience_s = 2 * settings.kafka.transaction_timeout + 10.0
        self._orders = RegistryOrderReader(settings)
        # The group is never joined: it only keeps how far letters were replayed.
        self._reader = PartitionReader(consumer_config(settings, group_id=f"{settings.kafka.group_id}.replay"))

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def registry_error(self) -> str | None:
        """Why the registry could not be asked for the schemas of order messages; None if it could, or was not asked."""
        return self._orders.error

    def group_metadata(self) -> object:
        """The metadata that ties a transaction to the group of replays."""
        return self._reader.group_metadata()

    def replayed(self, partition: int) -> ReplayedOffsets | None:
        """Which letters were replayed; None if no commit is kept.

        Blocks while a replay has a transaction open. Raises HaltError, UnknownMapError.
        """
        try:
            found = self._reader.committed(self._topic, partition, patience_s=self._patience_s)
        except TimeoutError as late:
            raise HaltError(
                f"Kafka does not say which letters were replayed ({late}): is a replay under way, or was one cut off? "
                "Try again in a minute"
            ) from None
        return None if found is None else ReplayedOffsets.of(*found)

    def read(self, partition: int, *, start: int, end: int) -> Iterator[OrderMessage]:
        """The records from `start` up to and without `end`. Raises HaltError if Kafka stops sending them."""
        return self._reader.read({(self._topic, partition): range(start, end)})

    def scan(self, wanted: Filter, on: Progress) -> Scan:
        """Read every letter once, and keep the facts about those that `wanted` matches. Raises HaltError."""
        partitions = [self._partition(number) for number in range(self.existing[self._topic])]
        offsets: dict[int, list[int]] = {each.partition: [] for each in partitions}
        unknown: dict[int, set[int]] = {each.partition: set() for each in partitions}
        letters: list[Letter] = []
        pending = 0
        by_number = {each.partition: each for each in partitions}
        total = sum(each.end - each.start for each in partitions)
        wanted_offsets = {(self._topic, each.partition): range(each.start, each.end) for each in partitions}
        for count, message in enumerate(self._reader.read(wanted_offsets), start=1):
            number, offset = message.position.partition, message.position.offset
            letter = self._letter(message, by_number[number].replayed)
            if offset >= by_number[number].replayed.watermark:
                offsets[number].append(offset)
            if letter.state is State.UNKNOWN:
                unknown[number].add(offset)
            pending += letter.state is not State.REPLAYED
            if wanted.matches(letter):
                letters.append(letter)
            on(count, total)
        return Scan(
            partitions=tuple(
                replace(each, offsets=offsets[each.partition], unknown=frozenset(unknown[each.partition]))
                for each in partitions
            ),
            letters=tuple(letters),
            pending=pending,
        )

    def fetch(self, scan: Scan, letters: Sequence[Letter], on: Progress) -> Iterator[tuple[Letter, OrderMessage]]:
        """These letters of a scan with their messages, partition by partition. Raises HaltError."""
        by_position = {letter.position: letter for letter in letters}
        numbers = {letter.position.partition for letter in letters}
        chosen = [each for each in scan.partitions if each.partition in numbers]
        count, total = 0, sum(each.end - each.start for each in chosen)
        for each in chosen:
            for message in self.read(each.partition, start=each.start, end=each.end):
                count += 1
                on(count, total)
                if (letter := by_position.get(message.position)) is not None:
                    yield letter, message

    def find(self, partition: int, offset: int) -> tuple[Letter, OrderMessage]:
        """The letter at an offset. Raises HaltError if there is none."""
        count = self.existing[self._topic]
        if partition >= count:
            raise HaltError(f"{self._topic} has the partitions 0 to {count - 1}")
        found = self._partition(partition)
        if not found.start <= offset < found.end:
            raise HaltError(
                f"there is no letter at {partition}/{offset}: partition {partition} "
                + (f"has the offsets {found.start} to {found.end - 1}" if found.start < found.end else "is empty")
            )
        for message in self.read(partition, start=offset, end=offset + 1):
            return self._letter(message, found.replayed), message
        raise HaltError(f"there is no letter at {partition}/{offset}: a transaction uses that offset for itself")

    def _letter(self, message: OrderMessage, replayed: ReplayedOffsets) -> Letter:
        return read_letter(message, replayed, order=self._orders.order_id(message))

    def _partition(self, partition: int) -> PartitionScan:
        bounds = self._reader.bounds(self._topic, partition)
        replayed = self.replayed(partition)
        if replayed is None:
            replayed = ReplayedOffsets(watermark=bounds.start, forgotten_before_ms=self._forgotten_before_ms)
        return PartitionScan(partition=partition, start=bounds.start, end=bounds.stop, replayed=replayed)
