"""The story of a run, line by line, in virtual time: written only for a run that is going to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from journeys.consumer.consumer import Partition
from journeys.worker.happenings import (
    Assigned,
    GateChanged,
    GroupsChanged,
    Happening,
    JourneyFetched,
    KafkaUnreachable,
    MessageSkipped,
    OutcomeRecovered,
    Revoked,
    TransactionEnded,
)


class Story:
    """Lines with times. A deaf one forgets them."""

    def __init__(self, now: Callable[[], float], *, deaf: bool) -> None:
        self._now = now
        self.deaf = deaf
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        """How often each thing happened in the run: a count of 0 would mean that it is not tested."""

    def tell(self, who: str, what: str) -> None:
        """Write a line."""
        if not self.deaf:
            self.lines.append(f"{self._now():9.3f}  {who:10} {what}")


class Teller:
    """A hook that writes what a worker would log."""

    def __init__(self, story: Story, who: str) -> None:
        self._story = story
        self._who = who

    def __call__(self, happening: Happening) -> None:
        """Count it; write a line unless the story is deaf. Requests and waiting orders are too many for a line."""
        counts = self._story.counts
        match happening:
            case TransactionEnded(result):
                counts[f"transactions {result.outcome}"] += 1
                counts["fences"] += result.fenced
            case Revoked(partitions, lost):
                counts["partitions lost" if lost else "partitions revoked"] += len(partitions)
            case GroupsChanged(obstacles):
                counts["obstacles of a group"] += bool(obstacles)
            case OutcomeRecovered(published, owed):
                counts["orders found published"] += published
                counts["orders sent again"] += owed
            case GateChanged(reasons):
                counts["gates shut"] += bool(reasons)
            case _:
                pass
        if not self._story.deaf and (line := _line(happening)) is not None:
            self._story.tell(self._who, line)


def _line(happening: Happening) -> str | None:
    line: str | None = None
    match happening:
        case JourneyFetched(journey):
            line = f"read {journey.order_id} ({journey.edition}): {len(journey.events)} events"
        case GateChanged(reasons):
            line = f"gate shut: {'; '.join(reasons.values())}" if reasons else "gate open"
        case Assigned(partitions):
            line = f"assigned {_names(partitions)}"
        case Revoked(partitions, lost):
            line = f"{'lost' if lost else 'revoked'} {_names(partitions)}"
        case GroupsChanged(obstacles):
            line = f"waits for its groups: {'; '.join(obstacles.values())}" if obstacles else "is in its groups"
        case MessageSkipped(message):
            line = f"skipped {message.position}"
        case TransactionEnded():
            line = _transaction(happening)
        case OutcomeRecovered(published, owed):
            line = f"new producer; {published} had been published, {owed} are owed"
        case KafkaUnreachable(reason):
            line = f"Kafka does not answer: {reason}"
        case _:
            pass
    return line


def _transaction(ended: TransactionEnded) -> str:
    result = ended.result
    orders = ", ".join(f"{order.message.position} {order.outcome}" for order in ended.finished)
    why = f" ({result.reason})" if result.reason else ""
    return f"transaction {result.outcome} after {ended.seconds:.2f} s{why}: {orders or 'offsets only'}"


def _names(partitions: Sequence[Partition]) -> str:
    return ", ".join(f"{topic}/{number}" for topic, number in partitions) or "nothing new"
