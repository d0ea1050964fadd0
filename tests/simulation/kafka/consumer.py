"""confluent_kafka's Consumer, as far as the worker uses it, on a model of the broker.

Its background, which is librdkafka's own thread, lives as long as its process runs: heartbeats, joining, learning of a
rebalance. Callbacks wait until `poll` or `close` serves them, before any message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition
from tests.simulation.kafka.cluster import Cluster, Member
from tests.simulation.kafka.group import Kind
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.log import Entry, Place
from tests.simulation.kafka.weather import Weather, failure, timed_out
from tests.support.librdkafka import FATAL

Callback = Callable[["ModelConsumer", list[TopicPartition]], object]

_RESUMING = 0.8
"""Seconds until a resumed partition delivers again."""
_REJOINING = 1.0
"""Seconds until a refused member asks again."""
_INSTANT = 0.0001
"""Seconds that a poll takes that does not wait."""
_NO_OFFSET = -1001


@dataclass(slots=True)
class _Reading:
    """A partition assigned by the application."""

    position: int
    not_before: float = 0.0
    end: int = -1
    """The end that was reported last."""


class ModelMessage:
    """confluent_kafka's Message."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def error(self) -> KafkaError | None:
        """None: what goes wrong is raised."""
        return None

    def topic(self) -> str:
        """Its topic."""
        return self._entry.place[0]

    def partition(self) -> int:
        """Its partition."""
        return self._entry.place[1]

    def offset(self) -> int:
        """Its offset."""
        return self._entry.offset

    def key(self) -> bytes | None:
        """Its key."""
        return self._entry.key

    def value(self) -> bytes | None:
        """Its value."""
        return self._entry.value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Its headers."""
        return self._entry.headers or None

    def timestamp(self) -> tuple[int, int]:
        """The kind of its timestamp, and that."""
        return 1, self._entry.timestamp_ms


class ModelError:
    """confluent_kafka's Message that is an error of the group."""

    def __init__(self, error: KafkaError) -> None:
        self._error = error

    def error(self) -> KafkaError:
        """The error."""
        return self._error

    def topic(self) -> None:
        """None: the error is about no topic."""


class ModelEnd:
    """confluent_kafka's Message that reports the end of a partition."""

    def __init__(self, place: Place, offset: int) -> None:
        self._place = place
        self._offset = offset

    def error(self) -> KafkaError:
        """The code for the end of a partition."""
        return KafkaError(KafkaError._PARTITION_EOF)

    def topic(self) -> str:
        """Its topic."""
        return self._place[0]

    def partition(self) -> int:
        """Its partition."""
        return self._place[1]

    def offset(self) -> int:
        """The offset from which the next record will be read."""
        return self._offset


class ModelConsumer:
    """A member of a group. Its callers are threads of the link's process."""

    def __init__(self, cluster: Cluster, link: Link, weather: Weather, config: Mapping[str, Any], **_: object) -> None:
        self._cluster = cluster
        self._weather = weather
        self._name = config["group.id"]
        self.group = cluster.group(self._name)
        self._reports_ends = config.get("enable.partition.eof", False)
        self._stable = config.get("isolation.level", "read_committed") == "read_committed"
        self.link = link
        self.kind: Kind = config.get("group.protocol", "classic")
        self.session = config.get("session.timeout.ms", 6000) / 1000
        self.patience = config.get("max.poll.interval.ms", 60_000) / 1000
        self.topics: tuple[str, ...] = ()
        self._callbacks: dict[str, Callback] = {}
        self._member_id: str | None = None
        self._latest_id = "none"
        self._generation = -1
        self._owned: frozenset[Place] = frozenset()
        self._ops: deque[tuple[str, frozenset[Place]]] = deque()
        self._waits_for_group = False
        self._must_rejoin = False
        self._reading: dict[Place, _Reading] = {}
        self._paused: set[Place] = set()
        self._turn = 0
        self._errors: deque[KafkaError] = deque()
        self._is_fatal = False
        self._closed = False
        self.polled_at = link.scheduler.now
        self.overdue = 0
        """How often the application did not poll for `max.poll.interval.ms`, though its process ran."""
        self.was_fatal = False
        """Whether `poll` handed out a fatal error. It does so once."""
        self.refusal: str | None = None
        """The name of the refused join that `poll` handed out last, until the next assignment."""

    # -- what the application calls

    def subscribe(self, topics: Sequence[str], **callbacks: Callback) -> None:
        """Join the group, in the background."""
        self.topics, self._callbacks = tuple(topics), callbacks
        self._join()
        self.link.scheduler.after(self.patience, self._look_at_polls)

    def poll(self, timeout: float = 0.0) -> ModelMessage | ModelEnd | ModelError | None:
        """Serve a rebalance, or take an error or a message."""
        self._weather.call("poll")
        self.polled_at = self.link.scheduler.now
        if self._errors:
            return self._error()
        if self._serve():
            return None
        found = self._take(1)
        if not found:
            self.link.process.wait(max(timeout, _INSTANT))
            self.polled_at = self.link.scheduler.now
            found = [] if self._serve() else self._take(1)
        return found[0] if found else None

    def consume(self, num_messages: int, timeout: float) -> list[ModelMessage | ModelEnd]:
        """Take prefetched messages; serves no callbacks."""
        self._weather.call("consume")
        assert timeout == 0, "with a time-out, this waits for all the messages"
        return self._take(num_messages)

    def memberid(self) -> str | None:
        """None while the group does not know us; in the new protocol, a client has an id of its own."""
        self._weather.call("memberid", counts=False)  # asked of several consumers, in no certain order
        return self._id or None

    def consumer_group_metadata(self) -> Member:
        """This member's id and generation, now."""
        return Member(group=self._name, member_id=self._id, generation=self._generation)

    @property
    def _id(self) -> str:
        return self._member_id or (self._latest_id if self.kind == "consumer" else "")

    def committed(self, partitions: Sequence[TopicPartition], timeout: float = 5.0) -> list[TopicPartition]:
        """Committed offsets; stable ones only, unless read_uncommitted is set. Raises when time is up."""
        self._weather.call("committed")
        deadline = self.link.scheduler.now + timeout
        if self._weather.strikes("unreadable"):
            self.link.process.wait(timeout)
            raise failure(KafkaError._TRANSPORT, "broker transport failure")
        if not self.link.wait_for_answer(timeout):
            raise timed_out("committed")
        places = [(partition.topic, partition.partition) for partition in partitions]
        while self._stable and any(self.group.pending[place] for place in places):
            left = deadline - self.link.scheduler.now
            if left <= 0:
                raise failure(KafkaError._TIMED_OUT, "committed: timed out")
            self.link.process.wait(min(left, 0.1))
        return [self._found(place) for place in places]

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        """The partitions of a topic."""
        self._weather.call("list_topics")
        if not self.link.wait_for_answer(timeout):
            raise timed_out("list_topics")
        partitions = {number: None for _, number in self._cluster.partitions([topic])}
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=partitions)})

    def get_watermark_offsets(
        self,
        partition: TopicPartition,
        timeout: float = 5.0,
        cached: bool = False,
    ) -> tuple[int, int] | None:
        """The first offset and the one after the last."""
        log = self._cluster.logs[partition.topic, partition.partition]
        if cached:
            return log.start, log.stable_end
        self._weather.call("get_watermark_offsets")
        return (log.start, log.stable_end) if self.link.wait_for_answer(timeout) else None

    def incremental_assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these, too."""
        self._weather.call("incremental_assign")
        for partition in partitions:
            place = (partition.topic, partition.partition)
            offset = self._cluster.logs[place].start if partition.offset == OFFSET_BEGINNING else partition.offset
            if offset < 0:
                raise AssertionError("assigned without an offset: one pending partition would hold up all")
            self._reading[place] = _Reading(offset)

    def incremental_unassign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these no more."""
        self._weather.call("incremental_unassign")
        for partition in partitions:
            self._reading.pop((partition.topic, partition.partition), None)

    def assignment(self) -> list[TopicPartition]:
        """The partitions being read."""
        return [TopicPartition(*place) for place in self._reading]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading these. That outlives their assignment."""
        self._paused.update((partition.topic, partition.partition) for partition in partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these again, after a moment."""
        for partition in partitions:
            place = (partition.topic, partition.partition)
            if place in self._paused:
                self._paused.discard(place)
                if place in self._reading:
                    self._reading[place].end = -1
                    self._reading[place].not_before = self.link.scheduler.now + _RESUMING * self._weather.random()

    def seek(self, partition: TopicPartition) -> None:
        """Read from another offset on."""
        self._weather.call("seek")
        if self._weather.strikes("unreadable"):
            raise failure(KafkaError._STATE, "not fetched yet")
        self._reading[partition.topic, partition.partition] = _Reading(partition.offset)

    def close(self) -> None:
        """Give everything back, and leave."""
        self._weather.call("close")
        if self._closed:
            return
        self._closed = True
        self._ops.clear()
        if self._owned:
            self._call("on_revoke", self._owned)
        if self.link.wait_for_answer(5.0):
            self.group.leave(self._member_id)
        self._member_id, self._owned = None, frozenset()

    # -- what the group says; in the background

    def fence(self) -> None:
        """Another static member with our id took our place: this client can never go on."""
        if not self._closed and not self._is_fatal:
            self._is_fatal = True
            self._errors.append(FATAL)
            self.group.leave(self._member_id)
            self._fall_out()

    def rebalance(self, member_id: str) -> None:
        """A round begins: rejoin, once all that came before is served."""
        if not self._closed and self._member_id == member_id:
            self._must_rejoin = True
            self._rejoin()

    def assign(self, member_id: str, generation: int, places: frozenset[Place]) -> None:
        """All that is ours now; what is not, is to be given back first."""
        if self._closed or self._member_id != member_id:
            return
        self._generation, self._waits_for_group = generation, False
        leaving, coming = self._owned - places, places - self._owned
        if leaving:
            self._ops.append(("revoke", leaving))
            self._must_rejoin = True
        elif coming or self.kind == "classic":
            self._owned = places
            self._ops.append(("assign", coming))
        self._rejoin()

    def revoke(self, member_id: str, places: frozenset[Place]) -> None:
        """Some of ours are wanted elsewhere (KIP-848)."""
        if not self._closed and self._member_id == member_id:
            self._ops.append(("revoke", places))

    def put_out(self, member_id: str) -> None:
        """The group has gone on without us."""
        if not self._closed and self._member_id == member_id:
            self._fall_out()

    def _fall_out(self) -> None:
        self._member_id = None  # but not its generation: so the broker does not take it for a stranger
        self._ops.clear()
        self._waits_for_group = self._must_rejoin = False
        if self._owned:
            self._ops.append(("lost", self._owned))
        else:
            self._join()

    def _join(self) -> None:
        def join() -> None:
            if self._closed or self._is_fatal or self._member_id is not None:
                return
            if self.group.refusal is not None:
                self._errors.append(self.group.refusal)
                self.link.scheduler.after(_REJOINING, self._join)
            else:
                self._waits_for_group = True
                self._member_id = self._latest_id = self.group.join(self)

        self.link.deliver(join, 0.1)

    def _rejoin(self) -> None:
        if not (self._must_rejoin and not self._ops and not self._waits_for_group):
            return
        self._must_rejoin = False
        if self.kind == "classic" and self._member_id is not None:
            self._waits_for_group = True
            if not self.group.rejoin(self._member_id, self._owned):
                self._fall_out()

    def _look_at_polls(self) -> None:
        """An application that does not poll is taken out of the group by its own client."""
        if self._closed or not self.link.process.alive:
            return
        now = self.link.scheduler.now
        if now >= self.polled_at + self.patience:  # as below: a difference may be rounded to less, for ever
            if not self.link.process.frozen:
                self.overdue += not self.link.process.was_frozen_after(self.polled_at)
                self.group.leave(self._member_id)
                self._fall_out()
            self.polled_at = now
        self.link.scheduler.at(self.polled_at + self.patience, self._look_at_polls)

    # -- what `poll` does

    def _serve(self) -> bool:
        """Serve one rebalance, if any waits."""
        if not self._ops:
            return False
        served = self._ops[0]  # it stays there: no member rejoins while a callback runs
        kind, places = served
        self._call(f"on_{kind}", places)
        if self._ops and self._ops[0] is served:
            self._ops.popleft()
        if kind != "assign":
            self._owned -= places
        if kind == "lost":
            self._join()
        elif kind == "revoke" and self.kind == "consumer" and self._member_id is not None:
            member_id = self._member_id
            self.link.deliver(lambda: self.group.released(member_id, places), self.link.latency)
        self._rejoin()
        return True

    def _error(self) -> ModelError:
        error = self._errors.popleft()
        if error is FATAL:
            self.was_fatal = True
        else:
            self.refusal = error.name()
        return ModelError(error)

    def _call(self, name: str, places: frozenset[Place]) -> None:
        self._callbacks[name](self, [TopicPartition(*place) for place in sorted(places)])
        if name in {"on_assign", "on_lost"}:  # the group had taken it in, whatever it has refused before
            self.refusal = None
        if name != "on_assign":  # librdkafka does it where the callback does not
            for place in places:
                self._reading.pop(place, None)

    def _take(self, limit: int) -> list[ModelMessage | ModelEnd]:
        if self.link.is_cut:
            return []
        found: list[ModelMessage | ModelEnd] = []
        places = list(self._reading)
        self._turn += 1
        for number in range(len(places)):
            place = places[(self._turn + number) % len(places)]
            reading = self._reading[place]
            log = self._cluster.logs[place]
            if place in self._paused or reading.not_before > self.link.scheduler.now:
                continue
            entries = log.read(reading.position, limit - len(found))
            if entries:
                reading.position = entries[-1].offset + 1
                found += map(ModelMessage, entries)
            is_all = len(found) < limit
            if is_all and self._reports_ends and log.stable_end != reading.end and reading.position <= log.stable_end:
                reading.position = reading.end = log.stable_end
                found.append(ModelEnd(place, log.stable_end))
        return found

    def _found(self, place: Place) -> TopicPartition:
        offset = self.group.offsets.get(place)
        if offset is None:
            return TopicPartition(*place, _NO_OFFSET)
        return TopicPartition(*place, offset.offset, offset.metadata)
