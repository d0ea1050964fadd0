"""What a group of workers has committed for a partition."""

from __future__ import annotations

from dataclasses import dataclass, field

from journeys.consumer import offset_map
from journeys.consumer.consumer import Partition
from journeys.errors import HaltError
from journeys.kafka.reader import PartitionReader

_PATIENCE_S = 30.0
"""The longest wait, in seconds, for a transaction that holds the offsets of a partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """All orders below `watermark` are published, and those in `beyond`."""

    watermark: int
    beyond: frozenset[int] = field(default=frozenset())

    @classmethod
    def of(cls, watermark: int, metadata: str) -> Commit:
        """Read a commit of a worker. Raises UnknownMapError for a map that cannot be read."""
        return cls(watermark=watermark, beyond=offset_map.decode(watermark, metadata))

    def covers(self, offset: int) -> bool:
        """Whether the order at this offset is published, or has become a retry or a dead letter."""
        return offset < self.watermark or offset in self.beyond


def read_commit(reader: PartitionReader, place: Partition) -> Commit | None:
    """The last commit of the reader's group; None if it has committed nothing.

    Blocks while a transaction holds the offsets. Raises HaltError, UnknownMapError.
    """
    try:
        found = reader.committed(*place, patience_s=_PATIENCE_S)
    except TimeoutError:
        raise HaltError(
            f"a transaction holds the offsets of {place[0]}/{place[1]} and does not end; the broker ends a worker's "
            "after JOURNEYS_KAFKA__TRANSACTION_TIMEOUT"
        ) from None
    return None if found is None else Commit.of(*found)
