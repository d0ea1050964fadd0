"""Sending letters again, exactly once.

One transactional producer with a fixed id, `<group>-replay`: a second replay fences the first. Each batch is one
transaction of its records and of the commit that marks its letters as replayed. So a replay that is killed at any
moment resumes at the first letter that was not sent.

    aborted     send the same batch again
    unknown     make a new producer, then start the partition again from what Kafka says was committed
    fenced      end: the other replay goes on
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from journeys.consumer.ledger import Commit
from journeys.dead_letters.letters import ReplayedOffsets, State, reason_of
from journeys.dead_letters.plan import PartitionPlan, PartitionReplay, ReplayPlan, Targets
from journeys.dead_letters.topic import DeadLetterTopic, Progress
from journeys.errors import HaltError
from journeys.kafka.config import producer_config
from journeys.model import GroupOffsets, OffsetCommit, OrderMessage
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.settings import Settings

_BATCH_BYTES = 16 * 2**20
"""A batch also ends at this size."""
_START_S = 30.0
"""How long a producer may take to be ready."""
_TRANSACTION_S = 30.0
"""How long one batch may take; after that its outcome is unknown and is read back."""
_SETBACKS = 8
"""Failed transactions in a row after which the replay ends."""
_PAUSE_S = 0.05
"""Half the pause after a first failed transaction; each further pause is twice as long."""


def replay_publisher(settings: Settings, make: Callable[[dict[str, Any]], Publisher] = Publisher) -> Publisher:
    """A producer that is ready; any other replay of this group is fenced. Raises HaltError."""
    publisher = make(producer_config(settings, instance_id="replay"))
    try:
        publisher.rebuild(timeout_s=_START_S)
    except TimeoutError as late:
        raise HaltError(f"Kafka does not answer: {late}") from None
    return publisher


@dataclass(kw_only=True, eq=False)
class Replay:
    """One run of a plan.

    `map_limit` is in characters, `batch_size` in letters. `stopped` is asked between batches. `replayed` counts the
    letters sent, by reason; it is exact also after an error.
    """

    letters: DeadLetterTopic
    publisher: Publisher
    targets: Targets
    map_limit: int
    batch_size: int
    on: Progress
    stopped: Callable[[], bool] = lambda: False
    sleep: Callable[[float], object] = time.sleep
    replayed: Counter[str] = field(init=False, default_factory=Counter)
    _setbacks: int = field(init=False, default=0)
    _total: int = field(init=False, default=0)
    _in_doubt: list[OrderMessage] = field(init=False, default_factory=list)

    def run(self, plan: ReplayPlan) -> None:
        """Send the letters of the plan that are still pending. Raises HaltError if it cannot go on, or was stopped."""
        self._total = len(plan.letters)
        for partition in plan.partitions:
            while not self._run(partition):
                self._recover()

    def _recover(self) -> None:
        try:
            self.publisher.rebuild(timeout_s=_START_S)
        except TimeoutError as late:
            raise HaltError(
                f"Kafka does not answer ({late}), and whether the last {len(self._in_doubt)} letters went out is not "
                "known: the same command finds out, and goes on with what is pending"
            ) from None

    def _run(self, plan: PartitionPlan) -> bool:
        """Send the pending letters of one partition; False if the outcome of a transaction is unknown."""
        replayed = self.letters.replayed(plan.partition) or plan.replayed
        self._settle_doubt(replayed)
        replay = PartitionReplay(plan.partition, replayed.ledger(limit_chars=self.map_limit), plan.targets)
        batch: list[OrderMessage] = []
        size_bytes = 0
        start = max(plan.start, replayed.watermark)
        for message in self.letters.read(plan.partition, start=start, end=plan.end):
            self._check_stop()
            if not replay.take(message.position.offset):
                continue
            batch.append(message)
            size_bytes += message.size
            if len(batch) >= self.batch_size or size_bytes >= _BATCH_BYTES:
                if not self._send(plan, replay, batch):
                    return False
                batch, size_bytes = [], 0
        return not batch or self._send(plan, replay, batch)

    def _send(self, plan: PartitionPlan, replay: PartitionReplay, batch: list[OrderMessage]) -> bool:
        """Send one batch, again after each abort; False if its outcome is unknown."""
        records = [[self.targets.record(message, plan.targets[message.position.offset])] for message in batch]
        commit = replay.commit()
        while True:
            self._check_stop()
            group = GroupOffsets(offsets=(_offset(batch[0], commit),), metadata=self.letters.group_metadata)
            result = self.publisher.publish(records, [group], timeout_s=_TRANSACTION_S)
            if result.outcome is Outcome.COMMITTED:
                self._setbacks = 0
                replay.sent(commit)
                self._count(batch)
                return True
            self._pause_or_halt(result, batch)
            if result.outcome is Outcome.UNKNOWN:
                self._in_doubt = batch
                return False

    def _check_stop(self) -> None:
        if self.stopped():
            raise HaltError("stopped by a signal; the same command goes on with what is pending")

    def _pause_or_halt(self, result: Result, batch: list[OrderMessage]) -> None:
        """Pause after a transaction that was not committed. Raises HaltError if another try is useless."""
        if result.fenced:
            self.publisher.discard()
            raise HaltError(
                "another replay of this group has begun, or this one stood still for longer than "
                "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT: it ends here, and nothing is replayed twice"
            )
        if result.oversized:
            letters = ", ".join(str(batch[index].position) for index in sorted(result.oversized))
            raise HaltError(f"Kafka does not take {letters}: too large for the topic it goes to (max.message.bytes)")
        self._setbacks += 1
        if self._setbacks >= _SETBACKS:
            raise HaltError(f"Kafka does not commit what is replayed: {result.reason}")
        self.sleep(_PAUSE_S * 2**self._setbacks)

    def _settle_doubt(self, replayed: ReplayedOffsets) -> None:
        """Count the letters of a batch with unknown outcome that were committed after all."""
        self._count([each for each in self._in_doubt if replayed.state(each.position.offset, None) is State.REPLAYED])
        self._in_doubt = []

    def _count(self, batch: list[OrderMessage]) -> None:
        self.replayed.update(reason_of(message) for message in batch)
        self.on(self.replayed.total(), self._total)


def _offset(message: OrderMessage, commit: Commit) -> OffsetCommit:
    position = message.position
    return OffsetCommit(
        topic=position.topic, partition=position.partition, offset=commit.watermark, metadata=commit.metadata
    )
