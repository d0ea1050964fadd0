"""Sending letters again, exactly once.

One transactional producer with a fixed id, `<group>-replay`: a second replay fences the first. Each batch is one
transaction of the records and of the position behind them. What takes effect takes effect whole, so a replay that is
cut off at any moment goes on where it was when it is started again.

    aborted     the same batch again
    unknown     a new producer, then the partition is opened anew from what Kafka says was committed
    fenced      the other replay goes on; this one ends
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from journeys.consumer.ledger import Commit
from journeys.dead_letters.letters import UNNAMED, Marks, State
from journeys.dead_letters.plan import Lane, Leg, Plan, Routing
from journeys.dead_letters.scan import Progress
from journeys.dead_letters.store import LetterStore
from journeys.errors import HaltError
from journeys.kafka.config import producer_config
from journeys.model import GroupOffsets, OffsetCommit, OrderMessage
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.settings import Settings

_BATCH_BYTES = 16 * 2**20
"""A batch ends beyond that, however few its letters are."""
_START = 30.0
"""Seconds for a producer to be ready."""
_TRANSACTION = 30.0
"""Seconds for one batch; then its outcome is read back."""
_SETBACKS = 8
"""In a row; then the replay ends with the last one's reason."""
_PAUSE = 0.05


def replay_publisher(settings: Settings, make: Callable[[dict[str, Any]], Publisher] = Publisher) -> Publisher:
    """The producer of replays, ready: any other replay of this group is fenced. Raises HaltError."""
    publisher = make(producer_config(settings, instance_id="replay"))
    try:
        publisher.rebuild(timeout=_START)
    except TimeoutError as late:
        raise HaltError(f"Kafka does not answer: {late}") from None
    return publisher


class Replay:
    """One run of a plan. `stopped` is asked between batches; `replayed` counts by reason, also after an error."""

    def __init__(
        self,
        *,
        store: LetterStore,
        publisher: Publisher,
        routing: Routing,
        map_limit: int,
        batch_size: int,
        on: Progress,
        stopped: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._routing = routing
        self._map_limit = map_limit
        self._batch_size = batch_size
        self._on = on
        self._stopped = stopped
        self._sleep = sleep
        self._setbacks = 0
        self._total = 0
        self._in_doubt: list[OrderMessage] = []
        self.replayed: Counter[str] = Counter()

    def run(self, plan: Plan) -> None:
        """Send what the plan says and is still pending. Raises HaltError where it cannot go on, or was stopped."""
        self._total = len(plan.letters)
        for leg in plan.legs:
            while not self._run(leg):
                self._recover()

    def _recover(self) -> None:
        try:
            self._publisher.rebuild(timeout=_START)
        except TimeoutError as late:
            raise HaltError(
                f"Kafka does not answer ({late}), and whether the last {len(self._in_doubt)} letters went out is not "
                "known: the same command finds out, and goes on with what is pending"
            ) from None

    def _run(self, leg: Leg) -> bool:
        """Send what is owed of one partition; False where the outcome of a transaction is unknown."""
        marks = self._store.marks(leg.shelf.partition) or leg.marks
        self._settle_doubt(marks)
        lane = Lane(leg.shelf.partition, marks.ledger(limit=self._map_limit), leg.targets)
        batch: list[OrderMessage] = []
        size = 0
        start = max(leg.shelf.start, marks.watermark)
        for message in self._store.read(leg.shelf.partition, start=start, end=leg.shelf.end):
            self._check_stop()
            if not lane.takes(message.position.offset):
                continue
            batch.append(message)
            size += message.size
            if len(batch) >= self._batch_size or size >= _BATCH_BYTES:
                if not self._send(leg, lane, batch):
                    return False
                batch, size = [], 0
        return not batch or self._send(leg, lane, batch)

    def _send(self, leg: Leg, lane: Lane, batch: list[OrderMessage]) -> bool:
        """One batch, as often as it takes; False where its outcome is unknown."""
        records = [[self._routing.record(message, leg.targets[message.position.offset])] for message in batch]
        commit = lane.commit()
        while True:
            self._check_stop()
            group = GroupOffsets(offsets=(_offset(batch[0], commit),), metadata=self._store.group_metadata)
            result = self._publisher.publish(records, [group], timeout=_TRANSACTION)
            if result.outcome is Outcome.COMMITTED:
                self._setbacks = 0
                lane.sent(commit)
                self._count(batch)
                return True
            self._bear(result, batch)
            if result.outcome is Outcome.UNKNOWN:
                self._in_doubt = batch
                return False

    def _check_stop(self) -> None:
        if self._stopped():
            raise HaltError("stopped by a signal; the same command goes on with what is pending")

    def _bear(self, result: Result, batch: list[OrderMessage]) -> None:
        """Go on after a transaction that was not committed. Raises HaltError where that makes no sense."""
        if result.fenced:
            self._publisher.discard()
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
        self._sleep(_PAUSE * 2**self._setbacks)

    def _settle_doubt(self, marks: Marks) -> None:
        """Count what took effect of the batch whose outcome was unknown."""
        self._count([message for message in self._in_doubt if _is_replayed(message, marks)])
        self._in_doubt = []

    def _count(self, batch: list[OrderMessage]) -> None:
        self.replayed.update(
            (message.header("error-reason") or b"").decode(errors="replace") or UNNAMED for message in batch
        )
        self._on(self.replayed.total(), self._total)


def _is_replayed(message: OrderMessage, marks: Marks) -> bool:
    return marks.state(message.position.offset, None) is State.REPLAYED


def _offset(message: OrderMessage, commit: Commit) -> OffsetCommit:
    position = message.position
    return OffsetCommit(
        topic=position.topic, partition=position.partition, offset=commit.watermark, metadata=commit.metadata
    )
