"""What happened, line by line, in virtual time: written only when somebody is going to read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.model import Journey, OrderMessage
from journeys.producer.publisher import Result
from journeys.worker.handover import FinishedOrder


class Story:
    """Lines with times. A deaf one forgets them."""

    def __init__(self, now: Callable[[], float], *, deaf: bool) -> None:
        self._now = now
        self.deaf = deaf
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        """What the run came through, so that one can see that nothing is tested in vain."""

    def tell(self, who: str, what: str) -> None:
        """Write a line."""
        if not self.deaf:
            self.lines.append(f"{self._now():9.3f}  {who:10} {what}")


class Teller:
    """Hears what a worker would log, and what its fetcher and pool would count."""

    def __init__(self, story: Story, who: str) -> None:
        self._story = story
        self._who = who

    def _tell(self, what: str) -> None:
        self._story.tell(self._who, what)

    def fetched(self, journey: Journey) -> None:
        """A journey was read."""
        if not self._story.deaf:
            self._tell(f"read {journey.order_id} ({journey.edition}): {len(journey.events)} events")

    def request(self, outcome: str, seconds: float) -> None:
        """Not told: too many."""

    def gate(self, reasons: Mapping[Reason, str]) -> None:
        """The gate shut, opened, or is shut for something else."""
        self._story.counts["gates shut"] += bool(reasons)
        if not self._story.deaf:
            self._tell(f"gate shut: {'; '.join(reasons.values())}" if reasons else "gate open")

    def waiting(self, orders: int, next_due: float | None) -> None:
        """Not told: each second."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions came."""
        if not self._story.deaf:
            self._tell(f"assigned {_names(partitions)}")

    def revoked(self, partitions: Sequence[Partition], *, lost: bool) -> None:
        """Partitions went."""
        self._story.counts["partitions lost" if lost else "partitions revoked"] += len(partitions)
        if not self._story.deaf:
            self._tell(f"{'lost' if lost else 'revoked'} {_names(partitions)}")

    def skipped(self, message: OrderMessage) -> None:
        """A null value."""
        self._tell(f"skipped {message.position}")

    def transaction(self, result: Result, finished: Sequence[FinishedOrder], seconds: float) -> None:
        """A transaction ended."""
        self._story.counts[f"transactions {result.outcome}"] += 1
        self._story.counts["fences"] += result.fenced
        if not self._story.deaf:
            orders = ", ".join(f"{order.message.position} {order.outcome}" for order in finished)
            why = f" ({result.reason})" if result.reason else ""
            self._tell(f"transaction {result.outcome} after {seconds:.2f} s{why}: {orders or 'offsets only'}")

    def recovered(self, published: int, owed: int) -> None:
        """An outcome was read back."""
        self._story.counts["orders found published"] += published
        self._story.counts["orders sent again"] += owed
        self._tell(f"new producer; {published} had been published, {owed} are owed")

    def unreachable(self, reason: str) -> None:
        """Kafka does not answer."""
        self._tell(f"Kafka does not answer: {reason}")


def _names(partitions: Sequence[Partition]) -> str:
    return ", ".join(f"{topic}/{number}" for topic, number in partitions) or "nothing new"
