"""Which letters a command takes. No I/O: the present time is an argument."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from journeys.dead_letters.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A letter matches if every condition that is set holds; several reasons are alternatives."""

    reasons: frozenset[str] = frozenset()
    stage: str | None = None
    order: str | None = None
    topic: str | None = None
    """The topic from which the order message was read."""
    group: str | None = None
    """The consumer group whose letters match, and letters that name no group."""
    since_ms: int | None = None
    until_ms: int | None = None
    """Exclusive. A letter without a time matches no span of time."""

    def matches(self, letter: Letter) -> bool:
        """Whether every condition holds for this letter."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self.stage in (None, letter.stage)
            and self.order in (None, letter.order)
            and self.topic in (None, letter.topic)
            and (self.group is None or letter.group in (None, self.group))
            and self._is_in_time(letter.at_ms)
        )

    def _is_in_time(self, at_ms: int | None) -> bool:
        if self.since_ms is None and self.until_ms is None:
            return True
        if at_ms is None:
            return False
        return (self.since_ms is None or at_ms >= self.since_ms) and (self.until_ms is None or at_ms < self.until_ms)


def oldest(letters: Iterable[Letter], limit: int | None) -> list[Letter]:
    """The letters, the oldest first; at most `limit` of them, and no more than that in memory."""
    if limit is None:
        return sorted(letters, key=lambda letter: letter.age)
    return heapq.nsmallest(limit, letters, key=lambda letter: letter.age)


def parse_position(text: str, *, topic: str) -> tuple[int, int]:
    """Partition and offset of `0/17`, or of `TOPIC/0/17` with this topic. Raises ValueError for any other text."""
    parts = text.removeprefix(f"{topic}/").split("/")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise ValueError(f"must be a position in {topic}: partition/offset, such as 0/17")
    return int(parts[0]), int(parts[1])
