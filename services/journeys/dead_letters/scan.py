"""Looking through the topic as it stands when a command begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

from journeys.avro.wire import Decoder
from journeys.consumer.order_message import OrderReader
from journeys.dead_letters.filters import Filter
from journeys.dead_letters.letters import Letter, LetterReader, State
from journeys.dead_letters.plan import Shelf, Survey
from journeys.dead_letters.store import LetterStore
from journeys.errors import HaltError, SetupError
from journeys.kafka import topics
from journeys.kafka.admin import KafkaAdmin
from journeys.model import OrderMessage
from journeys.producer import registry
from journeys.settings import Settings

Progress = Callable[[int, int], object]
"""Told how many are done, of how many."""

_REMEMBERED = 7 * 86400.0
"""Seconds for which Kafka keeps the offsets of a group without members, unless it says otherwise."""


class Cabinet:
    """All letters, to be used in a `with` block. Raises SetupError where there is no broker or no such topic.

    `existing` names the cluster's topics. `silent` tells why orders in Avro are named by their keys, None if not so.
    """

    def __init__(self, settings: Settings, *, now_ms: int) -> None:
        broker = KafkaAdmin(settings)
        self.existing = broker.topics()
        topic = settings.orders.dead_letter
        if topic not in self.existing:
            raise SetupError(f"the topic of dead letters, {topic}, is missing", remedy=topics.CREATE)
        self._topic = topic
        self._forgotten_before_ms = now_ms - int(1000 * (broker.remembers_offsets() or _REMEMBERED))
        self._schemas = _Schemas(settings)
        self._reader = _letter_reader(settings, self._schemas)
        self.store = LetterStore(settings)

    def __enter__(self) -> Self:
        self.store.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.store.__exit__(*raised)

    @property
    def silent(self) -> str | None:
        """Why the registry could not be asked for the schemas of orders, if so."""
        return self._schemas.silent

    def survey(self, wanted: Filter, on: Progress) -> Survey:
        """Read every letter once; of those that the filter matches, what is told of them is held. Raises HaltError."""
        shelves = [self._shelf(partition) for partition in range(self.existing[self._topic])]
        letters: list[Letter] = []
        offsets: dict[int, list[int]] = {shelf.partition: [] for shelf in shelves}
        unknown: dict[int, set[int]] = {}
        pending = 0
        for shelf, message in self._read(shelves, on):
            letter = self._reader.read(message, shelf.marks)
            offset = message.position.offset
            if offset >= shelf.marks.watermark:
                offsets[shelf.partition].append(offset)
            if letter.state is State.UNKNOWN:
                unknown.setdefault(shelf.partition, set()).add(offset)
            pending += letter.state is not State.REPLAYED
            if wanted.matches(letter):
                letters.append(letter)
        return Survey(
            shelves=tuple(shelves),
            letters=tuple(letters),
            offsets=offsets,
            unknown={partition: frozenset(found) for partition, found in unknown.items()},
            pending=pending,
        )

    def fetch(self, found: Survey, letters: Sequence[Letter], on: Progress) -> Iterator[tuple[Letter, OrderMessage]]:
        """These letters of a survey with their content, partition by partition. Raises HaltError."""
        by_position = {letter.position: letter for letter in letters}
        partitions = {letter.position.partition for letter in letters}
        shelves = [shelf for shelf in found.shelves if shelf.partition in partitions]
        for _, message in self._read(shelves, on):
            if (letter := by_position.get(message.position)) is not None:
                yield letter, message

    def find(self, partition: int, offset: int) -> tuple[Letter, OrderMessage]:
        """One letter. Raises HaltError where there is none."""
        count = self.existing[self._topic]
        if partition >= count:
            raise HaltError(f"{self._topic} has the partitions 0 to {count - 1}")
        shelf = self._shelf(partition)
        if not shelf.start <= offset < shelf.end:
            raise HaltError(
                f"there is no letter at {partition}/{offset}: partition {partition} "
                + (f"has the offsets {shelf.start} to {shelf.end - 1}" if shelf.start < shelf.end else "is empty")
            )
        for message in self.store.read(partition, start=offset, end=offset + 1):
            return self._reader.read(message, shelf.marks), message
        raise HaltError(f"there is no letter at {partition}/{offset}: that offset is a transaction's own")

    def _shelf(self, partition: int) -> Shelf:
        return self.store.shelf(partition, forgotten_before_ms=self._forgotten_before_ms)

    def _read(self, shelves: Sequence[Shelf], on: Progress) -> Iterator[tuple[Shelf, OrderMessage]]:
        total, before = sum(shelf.end - shelf.start for shelf in shelves), 0
        for shelf in shelves:
            for message in self.store.read(shelf.partition, start=shelf.start, end=shelf.end):
                yield shelf, message
                on(before + message.position.offset + 1 - shelf.start, total)
            before += shelf.end - shelf.start
            on(before, total)


class _Schemas:
    """Schemas of order messages in Avro. A registry that does not answer is asked once; `silent` tells why."""

    def __init__(self, settings: Settings) -> None:
        self._registry = settings.registry
        self.silent: str | None = None

    def text(self, number: int) -> str:
        """The schema of this id. Raises ValueError where it cannot be had."""
        if self.silent is not None:
            raise ValueError(self.silent)
        try:
            return registry.schema_text(self._registry.url, self._registry.config, number)
        except SetupError as error:
            self.silent = str(error)
            raise ValueError(self.silent) from error


def _letter_reader(settings: Settings, schemas: _Schemas) -> LetterReader:
    """A reader that finds order ids as the worker does."""
    reader = OrderReader(
        account=settings.api.account,
        form=settings.orders.format,
        pointer=settings.orders.id_pointer,
        decode_avro=Decoder(schemas.text).decode,
        is_retry=lambda _topic: False,
    )
    return LetterReader(reader.read)
