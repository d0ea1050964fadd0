"""What a group of workers has committed for a partition."""

from __future__ import annotations

from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Committed
from journeys.errors import HaltError
from journeys.kafka.reader import PartitionReader

_PATIENCE_S = 30.0
"""The longest wait, in seconds, for a transaction that holds the offsets of a partition."""


def read_commit(reader: PartitionReader, place: Partition) -> Committed | None:
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
    return None if found is None else Committed.of(*found)
