"""The result of one reading of the dead-letter topic. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeys.dead_letters.letters import Letter, ReplayedOffsets


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionScan:
    """One partition as it stood when a command began: offsets from `start`, before `end`."""

    partition: int
    start: int
    end: int
    replayed: ReplayedOffsets
    offsets: Sequence[int] = ()
    """Every record at or beyond the watermark, in ascending order."""
    unknown: frozenset[int] = frozenset()
    """Letters that may have been replayed or not, including those that the filter does not match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The topic as it stood when a command began."""

    partitions: tuple[PartitionScan, ...]
    letters: tuple[Letter, ...]
    """Letters that the filter matches, in every state."""
    pending: int
    """Letters not replayed yet, including unknown ones and those that the filter does not match."""
