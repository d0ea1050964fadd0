"""The accounts of order messages: the records seen of each edition, and their faults. Sans-I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.broker.kafka_tools import Read


@dataclass(slots=True)
class Account:
    """The committed records of one order message."""

    summaries: list[dict[str, Any]] = field(default_factory=list)
    letters: int = 0
    events: list[Read] = field(default_factory=list)

    @property
    def ends(self) -> int:
        """The number of its results (summaries and dead letters). 1 is correct."""
        return len(self.summaries) + self.letters

    def wrongs(self) -> list[str]:
        """The difference from one whole journey or one dead letter. Empty if correct."""
        positions = Counter(int(record.header("position") or -1) for record in self.events)
        found = []
        if self.ends > 1:
            found.append(f"doubled: {len(self.summaries)} summaries and {self.letters} dead letters")
        if twice := sorted(position for position, count in positions.items() if count > 1):
            found.append(f"doubled: events at {twice}")
        owed = self.summaries[0]["api_total"] if self.summaries else 0
        if sorted(positions) != list(range(owed)):
            found.append(f"half visible: {len(positions)} of {owed} events, {len(self.summaries)} summaries")
        counts = Counter(record.topic.rpartition(".")[2] for record in self.events)
        found += [f"astray: {dict(counts)}, not as in {said}" for said in self._announced() if said != counts]
        return found

    def _announced(self) -> list[dict[str, int]]:
        """The number of events by topic, from each summary."""
        announced = [{**summary["expected"], "rejected": summary["rejected"]} for summary in self.summaries]
        return [{end: count for end, count in counts.items() if count} for counts in announced]


class Books:
    """Accounts by edition."""

    def __init__(self, *, summary: str, dead_letters: str, decode: Callable[[bytes], Any]) -> None:
        self._summary = summary
        self._dead_letters = dead_letters
        self._decode = decode
        self.accounts: dict[str, Account] = defaultdict(Account)

    def enter(self, record: Read) -> str:
        """Add a record. Returns its edition."""
        if record.topic == self._dead_letters:
            edition = "/".join(record.header(f"error-{name}") or "" for name in ("topic", "partition", "offset"))
            self.accounts[edition].letters += 1
            return edition
        edition = record.header("edition") or ""
        if record.topic == self._summary:
            self.accounts[edition].summaries.append(self._decode(record.value or b""))
        else:
            self.accounts[edition].events.append(record)
        return edition

    def wrongs(self, editions: Iterable[str]) -> list[str]:
        """The faults of these editions, each with its edition."""
        return [f"{edition} {wrong}" for edition in editions for wrong in self.accounts[edition].wrongs()]

    def closed(self, placed: Collection[str]) -> list[str]:
        """The faults at the end, if these editions and no others must have one result each."""
        lost = [f"{edition} lost" for edition in placed if not self.accounts[edition].ends]
        strays = [f"{edition} was never placed" for edition in self.accounts if edition not in placed]
        return self.wrongs(self.accounts) + lost + strays
