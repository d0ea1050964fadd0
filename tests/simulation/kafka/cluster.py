"""The broker: topics, the transaction coordinator, committed offsets. It only answers; time passes in its clients.

The model does what was measured on Apache Kafka 4.1, the unkind parts first:

- ending a transaction asks for the producer's epoch, never for the group: a worker that the group has thrown out still
  commits what it had sent offsets for;
- an offset commit asks for membership and generation, never for ownership;
- offsets that a transaction has sent stay pending until its markers are written, a moment after it was decided;
  asking for stable ones waits, asking for any gives the old ones;
- the offset that was written last wins, whichever transaction ends last;
- metadata of 4,096 characters is refused; the limit is an argument here, so that few orders reach it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from confluent_kafka import KafkaError
from tests.simulation.kafka.group import Group
from tests.simulation.kafka.log import Committed, Entry, Log, Place, State, Transaction
from tests.simulation.scheduler import Scheduler

from journeys.kafka.admin import TopicIds
from journeys.model import Record

WALL = 1_700_000_000.0
"""The wall clock at the start, in seconds since the epoch."""


class RefusedByBrokerError(Exception):
    """The broker's answer to a request is an error."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


@dataclass(slots=True)
class _Producer:
    epoch: int = -1
    latest: Transaction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The settings of the broker; times in seconds."""

    metadata_limit: int = 4095
    message_limit: int = 1_000_000
    markers: float = 0.05
    """The longest that the markers of a decided transaction take."""
    scan: float = 1.0
    """How often the broker looks for transactions that are out of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """The member that commits offsets, as a consumer gives it."""

    group: str
    member_id: str
    generation: int


class Watcher:
    """Gets every change at the broker, at the moment when it takes effect."""

    def decided(self, transaction: Transaction) -> None:
        """A transaction is going to be committed, whatever happens."""

    def refused(self, transactional_id: str, code: int) -> None:
        """A producer's request was refused."""


@dataclass
class Cluster:
    """One broker that is never wrong, and never down: losing sight of it is the clients' matter."""

    scheduler: Scheduler
    random: Callable[[], float]
    settings: BrokerSettings = field(default_factory=BrokerSettings)
    watcher: Watcher = field(default_factory=Watcher)
    logs: dict[Place, Log] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    topic_ids: dict[str, str] = field(default_factory=dict)
    _producers: dict[str, _Producer] = field(default_factory=lambda: defaultdict(_Producer))
    _ids: count[int] = field(default_factory=lambda: count(1))
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _written: count[int] = field(default_factory=lambda: count(1))

    def create(self, topic: str, partitions: int) -> None:
        """A topic. Its id is unlike that of a topic of the same name before it."""
        self.topic_ids[topic] = f"{next(self._ids):06}".ljust(22, "x")
        for number in range(partitions):
            self.logs[topic, number] = Log((topic, number))

    def grow(self, topic: str, partitions: int) -> None:
        """A topic gets more partitions, up to so many."""
        for number in range(len(self.partitions([topic])), partitions):
            self.logs[topic, number] = Log((topic, number))

    def recreate(self, topic: str) -> None:
        """Delete a topic and create it again, with as many partitions. The offsets in it go, also pending ones."""
        places = self.partitions([topic])
        self.create(topic, len(places))
        for name, group in self.groups.items():
            for place in places:
                group.offsets.pop(place, None)
                for transaction in group.pending.pop(place, ()):
                    del transaction.offsets[name, place]

    def ids_of(self, topics: Iterable[str]) -> TopicIds:
        """The ids of topics, as an administrator's client gets them."""
        return TopicIds(ids={topic: self.topic_ids[topic] for topic in topics}, missing=frozenset(), without={})

    def partitions(self, topics: Iterable[str]) -> list[Place]:
        """All partitions of these topics."""
        wanted = set(topics)
        return sorted(place for place in self.logs if place[0] in wanted)

    def place_of(self, topic: str, key: bytes | None) -> Place:
        """The partition that a record with this key goes to."""
        partitions = self.partitions([topic])
        if not partitions:
            raise RefusedByBrokerError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return partitions[sum(key or b"") % len(partitions)]

    def wall_ms(self) -> int:
        """The broker's own clock."""
        return int((WALL + self.scheduler.now) * 1000)

    # -- transactions

    def begin_epoch(self, transactional_id: str) -> int | None:
        """A producer starts: older ones are fenced, what they left open is aborted. None while that takes."""
        producer = self._producers[transactional_id]
        latest = producer.latest
        if latest is not None and latest.state in (State.COMMITTING, State.ABORTING):
            return None
        producer.epoch += 1
        if latest is not None and latest.state is State.OPEN:
            self._decide(latest, State.ABORTING)
            return None
        return producer.epoch

    def write(self, transactional_id: str, epoch: int, records: Sequence[Record], timeout: float) -> set[int]:
        """Append records to the open transaction; the indexes of those that are too large.

        Records for one partition travel together: where one is refused, so are the others of its batch.
        """
        transaction = self._open(transactional_id, epoch, timeout)
        batches: dict[Place, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            batches[self.place_of(record.topic, record.key)].append(index)
        refused: set[int] = set()
        for place, indexes in batches.items():
            if any(records[index].size > self.settings.message_limit for index in indexes):
                refused.update(indexes)
                continue
            for index in indexes:
                record = records[index]
                headers = [(name, _bytes(value)) for name, value in record.headers]
                entry = self.logs[place].append(record.key, record.value, headers, self.wall_ms(), transaction)
                transaction.entries.append(entry)
        return refused

    def send_offsets(
        self,
        transactional_id: str,
        epoch: int,
        member: Member,
        offsets: dict[Place, tuple[int, str]],
        timeout: float,
    ) -> None:
        """Offsets of a group become part of the transaction."""
        transaction = self._open(transactional_id, epoch, timeout)
        group = self.group(member.group)
        code = group.refuses(member.member_id, member.generation)
        if any(len(metadata) > self.settings.metadata_limit for _, metadata in offsets.values()):
            code = code or KafkaError.OFFSET_METADATA_TOO_LARGE
        if code is not None:
            self.watcher.refused(transactional_id, code)
            raise RefusedByBrokerError(code)
        for place, (offset, metadata) in offsets.items():
            transaction.offsets[member.group, place] = Committed(offset, metadata, next(self._written))
            group.pending[place].add(transaction)

    def end(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """End the transaction that is open now. The broker checks only the epoch of the caller."""
        producer = self._checked(transactional_id, epoch)
        latest = producer.latest
        if latest is None or latest.epoch != epoch:
            raise RefusedByBrokerError(KafkaError.INVALID_TXN_STATE)
        if latest.state is State.OPEN:
            self._decide(latest, State.COMMITTING if commit else State.ABORTING)
        elif (latest.state in (State.COMMITTING, State.COMMITTED)) is not commit:
            raise RefusedByBrokerError(KafkaError.INVALID_TXN_STATE)

    def forget_producer(self, transactional_id: str) -> None:
        """As after a long idle time: the producer's next transaction finds itself fenced."""
        producer = self._producers[transactional_id]
        if producer.latest is None or producer.latest.state in (State.COMMITTED, State.ABORTED):
            producer.epoch += 1

    def _checked(self, transactional_id: str, epoch: int) -> _Producer:
        producer = self._producers[transactional_id]
        if producer.epoch != epoch:
            raise RefusedByBrokerError(KafkaError.INVALID_PRODUCER_EPOCH)
        return producer

    def _open(self, transactional_id: str, epoch: int, timeout: float) -> Transaction:
        producer = self._checked(transactional_id, epoch)
        latest = producer.latest
        if latest is not None and latest.state is State.OPEN:
            return latest
        if latest is not None and latest.state in (State.COMMITTING, State.ABORTING):
            raise RefusedByBrokerError(KafkaError.CONCURRENT_TRANSACTIONS)
        transaction = Transaction(next(self._numbers), transactional_id, epoch)
        producer.latest = transaction
        late = timeout + self.settings.scan * self.random()
        self.scheduler.after(late, lambda: self._expire(producer, transaction))
        return transaction

    def _expire(self, producer: _Producer, transaction: Transaction) -> None:
        if transaction.state is State.OPEN:
            producer.epoch += 1
            self._decide(transaction, State.ABORTING)

    def _decide(self, transaction: Transaction, state: State) -> None:
        transaction.state = state
        if state is State.COMMITTING:
            self.watcher.decided(transaction)
        self.scheduler.after(self.settings.markers * self.random(), lambda: self._complete(transaction))

    def _complete(self, transaction: Transaction) -> None:
        committed = transaction.state is State.COMMITTING
        transaction.state = State.COMMITTED if committed else State.ABORTED
        for log in transaction.logs:
            log.mark(transaction)
        for (name, place), offset in transaction.offsets.items():
            group = self.group(name)
            group.pending[place].discard(transaction)
            if committed:
                group.take(place, offset)

    # -- groups

    def group(self, name: str) -> Group:
        """A consumer group; the first request creates it."""
        if name not in self.groups:
            self.groups[name] = Group(self.scheduler, self.random, self.partitions)
        return self.groups[name]

    def commit_offset(self, group: str, place: Place, offset: int, metadata: str = "") -> None:
        """An administrator sets an offset."""
        self.group(group).take(place, Committed(offset, metadata, next(self._written)))


def visible(logs: Iterable[Log]) -> list[Entry]:
    """The records that a consumer with read_committed reads in these partitions, from start to end."""
    return [entry for log in logs for entry in log.read(0, len(log.entries))]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
