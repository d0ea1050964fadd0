"""Deliberate defects: each is a worker that is wrong in one way, and the simulation must find it.

Most are mistakes that were made before, here or by others; a few are the obvious ways to simplify the code. They are
subclasses of the product's own classes: the product knows nothing of them. `within` is how many seeds may pass until
the first violation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs
from tests.simulation.audit import START
from tests.simulation.encoder import SUMMARY
from tests.simulation.wiring import DEAD_LETTER, ROUTES, Parts

from journeys.consumer import offset_map
from journeys.consumer.consumer import OrderConsumer, Partition
from journeys.consumer.ledger import Commit, Ledger
from journeys.errors import HaltError, SetupError
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.fetch import Fetcher
from journeys.model import GroupOffsets, Journey, OffsetCommit, Order, OrderMessage, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.worker.handover import FinishedOrder
from journeys.worker.kafka_thread.admission import Admission
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.loop import KafkaLoop
from journeys.worker.kafka_thread.results import PendingResults, partition_of
from journeys.worker.kafka_thread.states import State
from journeys.worker.kafka_thread.topic_watch import TopicWatch
from journeys.worker.kafka_thread.transactions import Transactions
from journeys.worker.oversized import replace_oversized
from journeys.worker.start import GroupStart

Batches = Sequence[Sequence[Record]]
Groups = Sequence[GroupOffsets]
Plan = tuple[dict[Partition, Commit], list[FinishedOrder]]


# -- what goes into which transaction


class CommitBeforeProduce(Publisher):
    """Offsets are committed first, records after them."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Two transactions."""
        first = super().publish([], groups, timeout_s=timeout_s)
        if first.outcome is not Outcome.COMMITTED or not batches:
            return first
        return super().publish(batches, [], timeout_s=timeout_s)


class OffsetsOutside(Publisher):
    """Records are published first, offsets committed after them."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Two transactions."""
        first = super().publish(batches, [], timeout_s=timeout_s)
        return first if first.outcome is not Outcome.COMMITTED else super().publish([], groups, timeout_s=timeout_s)


class DeadLetterOutside(Publisher):
    """A dead letter goes out at once, by itself."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """One transaction more."""
        whole = [list(batch) for batch in batches]
        letters = [batch for batch in whole if any(record.topic == DEAD_LETTER for record in batch)]
        if letters:
            first = super().publish(letters, [], timeout_s=timeout_s)
            if first.outcome is not Outcome.COMMITTED:
                return first
        return super().publish([batch for batch in whole if batch not in letters], groups, timeout_s=timeout_s)


class SummaryOutside(Publisher):
    """The events of a journey go out before its summary."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Two transactions."""
        whole = [list(batch) for batch in batches]
        events = [[record for record in batch if record.topic != SUMMARY] for batch in whole]
        first = super().publish(events, [], timeout_s=timeout_s)
        if first.outcome is not Outcome.COMMITTED:
            return first
        rest = [[record for record in batch if record.topic == SUMMARY] for batch in whole]
        return super().publish(rest, groups, timeout_s=timeout_s)


class PollInside(KafkaLoop):
    """The consumer is polled while a transaction is open, until the group knows us."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        consumers = self.consumers
        usual = consumers.in_groups

        def in_groups(commits: Iterable[OffsetCommit]) -> list[GroupOffsets]:
            commits = list(commits)
            topics = {commit.topic for commit in commits}

            def polled(group: GroupOffsets) -> Callable[[], object]:
                def metadata() -> object:
                    self.admission.admit(consumers.poll(0, 1))
                    while not consumers.has_joined(topics):
                        self.admission.admit(consumers.poll(0.1, 1))
                    return group.metadata()

                return metadata

            return [replace(group, metadata=polled(group)) for group in usual(commits)]

        consumers.in_groups = in_groups  # type: ignore[method-assign]  # a defect


# -- what a commit says


class WatermarkAhead(Transactions):
    """Off by one: the next order is skipped."""

    def _plan(self, partitions: Collection[Partition]) -> Plan:
        commits, finished = super()._plan(partitions)
        return {at: replace(commit, watermark=commit.watermark + 1) for at, commit in commits.items()}, finished


class WatermarkBehind(Transactions):
    """Off by one: the last order is owed again."""

    def _plan(self, partitions: Collection[Partition]) -> Plan:
        commits, finished = super()._plan(partitions)
        return {at: replace(commit, watermark=max(0, commit.watermark - 1)) for at, commit in commits.items()}, finished


class MapDropped(Transactions):
    """Only the watermark is committed."""

    def _plan(self, partitions: Collection[Partition]) -> Plan:
        commits, finished = super()._plan(partitions)
        return {at: replace(commit, metadata="") for at, commit in commits.items()}, finished


class MapNotRead(OrderConsumer):
    """A new owner starts at the watermark, whatever was published beyond it."""

    def committed(self, partition: Partition, *, timeout_s: float) -> tuple[int, str] | None:
        """Without the map."""
        found = super().committed(partition, timeout_s=timeout_s)
        return found and (found[0], "")


class ReadUncommitted(OrderConsumer):
    """Committed offsets are read while a transaction may still move them."""

    def __init__(self, config: Mapping[str, Any], *args: Any, **options: Any) -> None:
        super().__init__({**config, "isolation.level": "read_uncommitted"}, *args, **options)


class StaleMetadata(OrderConsumer):
    """Group metadata is asked for once, not in each transaction."""

    _first: object = None

    def group_metadata(self) -> object:
        """As it was in the beginning."""
        self._first = self._first or super().group_metadata()
        return self._first


# -- what an outcome means


class AbortForgets(Transactions):
    """The orders of an aborted transaction are taken for published."""

    def _aborted(self, oversized: Sequence[FinishedOrder]) -> Outcome:
        outcome = super()._aborted(oversized)
        self.results.settle(self._plan(self.assignments.ledgers)[0])
        return outcome


class RetryWithoutPolling(Transactions):
    """An aborted transaction is sent again at once."""

    def burst(self, timeout_s: float, only: Collection[Partition] | None = None) -> Outcome | None:
        """Again and again, until it is no abort."""
        while (outcome := super().burst(timeout_s, only)) is Outcome.ABORTED:
            self.state = State.READY
        return outcome


class ResendUnread(Transactions):
    """An unknown outcome is taken for an abort: everything is sent again."""

    def _effect(self, partition: Partition, deadline: float) -> Commit:
        return replace(super()._effect(partition, deadline), covers=frozenset())


class UnknownIsDone(Transactions):
    """An unknown outcome is taken for a commit."""

    def _effect(self, partition: Partition, deadline: float) -> Commit:
        found = super()._effect(partition, deadline)
        return replace(found, covers=frozenset(self.results.offsets(partition)))


class TimeoutIsAbort(Publisher):
    """A commit that timed out is taken for an abort, and the same producer goes on."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Never in doubt."""
        result = super().publish(batches, groups, timeout_s=timeout_s)
        if result.outcome is Outcome.UNKNOWN and not result.fenced:
            self.rebuild(timeout_s=10.0)
            return replace(result, outcome=Outcome.ABORTED)
        return result


class ProducerReused(Publisher):
    """A producer whose last outcome is unknown is used again."""

    def discard(self) -> None:
        """Keep it."""

    def rebuild(self, *, timeout_s: float) -> None:
        """Only where there is none."""
        if self._producer is None:
            super().rebuild(timeout_s=timeout_s)


# -- rebalances


class EpochNotChecked(Assignments):
    """A result of an ended assignment is taken for one of the present assignment."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._ever: dict[int, Partition] = {}

    def partition_of(self, epoch: int) -> Partition | None:
        """Whichever assignment it was."""
        self._ever.update(self._by_epoch)
        partition = self._ever.get(epoch)
        return partition if partition in self.ledgers else None


class LateAccepted(PendingResults):
    """A result is published if its partition is ours, without asking the ledger."""

    def add(self, finished: FinishedOrder) -> None:
        """Under whichever epoch."""
        ledger = self._assignments.ledgers.get(partition_of(finished))
        if ledger is None:
            return
        try:
            ledger.finish(finished.message.position.offset)
        except KeyError:
            ledger.polled(finished.message.position.offset)
        self._finished.append(structs.replace(finished, epoch=ledger.epoch))
        self._count(ledger.epoch, finished.size)


class RevokeWithoutCancel(KafkaLoop):
    """HTTP goes on for partitions that have gone."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Without telling the pool."""
        usual, self.pool.cancel = self.pool.cancel, _nothing  # type: ignore[assignment, method-assign]  # a defect
        try:
            super().revoked(partitions)
        finally:
            self.pool.cancel = usual  # type: ignore[method-assign]  # restored


class HeldForEver(Assignments):
    """A partition whose offset Kafka did not say at once is not asked for again."""

    def ask_again(self, now: float) -> None:
        """Never."""


class AddedStartsAtEnd(Assignments):
    """A partition that was added while the group runs starts at its end: a real bug once."""

    def _first_offset(self, partition: Partition) -> int:
        return self._consumers.bounds(partition, timeout_s=1.0)[1]


class StartWithoutLock(GroupStart):
    """Each worker that finds no offset sets the start of the group, beside others and beside members."""

    def _start_at_ends(self, topics: list[str]) -> list[str]:
        self.publisher._config["transactional.id"] = f"{START}-{self.chance()}"
        self.publisher.rebuild(timeout_s=30.0)
        ends = GroupOffsets(offsets=tuple(self._ends(topics)), metadata=self.reader.group_metadata)
        self.publisher.publish([], [ends], timeout_s=self.transaction_s)
        return topics


class LostIsForgottenLate(KafkaLoop):
    """Partitions that are lost stay in hand until they come back."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""


# -- intake


class NoBound(Admission):
    """Whatever comes is taken in."""

    @property
    def room(self) -> int:
        """Endless."""
        return 100


class NeverResumed(KafkaLoop):
    """A partition that was paused for want of room stays paused."""

    def _set_pauses(self) -> None:
        usual = self.consumers.resume
        self.consumers.resume = _nothing  # type: ignore[assignment, method-assign]  # a defect
        try:
            super()._set_pauses()
        finally:
            self.consumers.resume = usual  # type: ignore[method-assign]  # restored


class StarvedHeir(Assignments):
    """Intake asks for room in the map even where nothing is in hand: a real bug once."""

    def _open(self, partition: Partition, timeout_s: float) -> bool:
        opened = super()._open(partition, timeout_s)
        if opened:
            self.ledgers[partition].__class__ = _Starved
        return opened


class _Starved(Ledger):
    def has_room(self) -> bool:
        span = max(self._next + 1, self._horizon) - self.watermark
        return offset_map.worst_size(span, self._unpublished + len(self._beyond) + 1) <= self._limit_chars


class HoldUpUntold(Transactions):
    """An order that finds no room to be read waits for results that wait for it: a real bug once."""

    def burst(self, timeout_s: float, only: Collection[Partition] | None = None) -> Outcome | None:
        """Without a word about what is blocked."""
        outcome = super().burst(timeout_s, only)
        self.results.backlog.is_blocked = False
        return outcome


class AnonymousLetter(PendingResults):
    """The dead letter of a journey that is too large knows nothing of its order: a real bug once."""

    def replace(self, finished: FinishedOrder, by: FinishedOrder) -> None:
        """As if the order's message had never been read."""
        anonymous = replace_oversized(structs.replace(finished, order=None), ROUTES, now_ms=0)
        super().replace(finished, structs.replace(by, records=anonymous.records, size=anonymous.size))


class FatalIgnored(OrderConsumer):
    """A fatal error counts only where `fatal()` says so, and `poll` gives it no other time: a real bug once."""

    def poll(self, timeout_s: float, limit: int) -> list[OrderMessage]:
        """Go on."""
        try:
            return super().poll(timeout_s, limit)
        except HaltError:
            return []


class JoinRefusedIgnored(OrderConsumer):
    """Polled errors that do not halt are dropped: a real bug once."""

    def _read(self, message: Any) -> OrderMessage | None:
        if message.error() is None:
            return super()._read(message)
        obstacles = dict(self._obstacles)
        super()._read(message)
        self._obstacles = obstacles
        return None


class RecreationUnnoticed(TopicWatch):
    """A topic that was created again is read on from the offset of the deleted one: a real bug once."""

    def look(self, now: float) -> None:
        """Go on."""
        with contextlib.suppress(SetupError):
            super().look(now)

    def ask_and_wait(self) -> None:
        """Find nothing."""
        with contextlib.suppress(SetupError):
            super().ask_and_wait()

    def check(self, topic: str, metadata: str) -> None:
        """Take every offset."""


# -- what a journey is


class OneEventPerId(Fetcher):
    """Events with one id are taken for one event: a real bug once."""

    async def fetch(self, order: Order, *, accept_empty: bool = False) -> Journey:
        """The last of them."""
        journey = await super().fetch(order, accept_empty=accept_empty)
        return structs.replace(journey, events=tuple({event["event_id"]: event for event in journey.events}.values()))


class TotalBelieved(Fetcher):
    """`total` is taken for the number of events: a real bug once."""

    async def fetch(self, order: Order, *, accept_empty: bool = False) -> Journey:
        """As many as it says."""
        journey = await super().fetch(order, accept_empty=accept_empty)
        return structs.replace(journey, events=journey.events[: journey.total])


class NeverAtFault(Gatekeeper):
    """An order that never gets a journey is blamed on the API, whatever the API answers for others."""

    def others_answered(self, order_id: str, *, since: float) -> bool:  # noqa: ARG002 - the product's signature
        """Never."""
        return False


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A defect, and within how many seeds, from `first` on, the simulation must find it."""

    parts: Callable[[], Parts]
    within: int
    what: str
    first: int = 0


def _of(within: int, made: type, *, first: int = 0) -> Defect:
    """A class in place of the one that it is derived from."""
    what = (made.__doc__ or "").splitlines()[0]
    if issubclass(made, OrderConsumer):
        return Defect(parts=lambda: Parts(consumer=made), within=within, what=what, first=first)
    if issubclass(made, Publisher):
        return Defect(parts=lambda: Parts(publisher=made), within=within, what=what, first=first)
    if issubclass(made, GroupStart):
        return Defect(parts=lambda: Parts(start=made), within=within, what=what, first=first)
    replaced = made.__bases__[0].__name__
    return Defect(parts=lambda: Parts(assembled={replaced: made}), within=within, what=what, first=first)


DEFECTS: dict[str, Defect] = {
    "commit-before-produce": _of(50, CommitBeforeProduce),
    "offsets-outside": _of(50, OffsetsOutside),
    "dead-letter-outside": _of(50, DeadLetterOutside),
    "summary-outside": _of(50, SummaryOutside),
    "poll-inside": _of(200, PollInside),
    "watermark-ahead": _of(50, WatermarkAhead),
    "watermark-behind": _of(50, WatermarkBehind),
    "map-dropped": _of(50, MapDropped),
    "map-not-read": _of(50, MapNotRead),
    "map-too-large": Defect(
        parts=lambda: Parts(map_limit=100_000), within=50, what="A map that Kafka does not take is sent."
    ),
    "read-uncommitted": _of(200, ReadUncommitted),
    "stale-metadata": _of(50, StaleMetadata),
    "abort-forgets": _of(50, AbortForgets),
    "retry-without-polling": _of(50, RetryWithoutPolling),
    "resend-unread": _of(200, ResendUnread),
    "unknown-is-done": _of(50, UnknownIsDone),
    "timeout-is-abort": _of(200, TimeoutIsAbort),
    "producer-reused": _of(50, ProducerReused),
    "epoch-not-checked": _of(200, EpochNotChecked),
    "late-accepted": _of(200, LateAccepted),
    "revoke-without-cancel": _of(50, RevokeWithoutCancel),
    "held-for-ever": _of(50, HeldForEver),
    "added-starts-at-end": _of(50, AddedStartsAtEnd),
    "start-without-lock": _of(100, StartWithoutLock),
    "lost-is-kept": _of(50, LostIsForgottenLate),
    "no-bound": _of(50, NoBound),
    "never-resumed": _of(50, NeverResumed),
    "starved-heir": _of(300, StarvedHeir),
    "hold-up-untold": _of(50, HoldUpUntold, first=250),
    "anonymous-letter": _of(50, AnonymousLetter),
    "recreation-unnoticed": _of(200, RecreationUnnoticed),
    "one-event-per-id": _of(50, OneEventPerId),
    "total-believed": _of(50, TotalBelieved),
    "never-at-fault": _of(50, NeverAtFault),
    "fatal-ignored": _of(100, FatalIgnored),
    "join-refused-ignored": _of(50, JoinRefusedIgnored),
}
