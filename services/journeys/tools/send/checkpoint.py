"""How far a run came, as a small text: a later run sends the rest. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

_VERSION: Final = 1

Span = tuple[int, int]
"""Neighbouring indices: the first one, and the one after the last."""


class Acknowledged:
    """Which orders of a list Kafka has acknowledged, by their index. Acknowledgements may come in any order."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._first = 0  # every index below it is acknowledged
        self._beyond: set[int] = set()
        for start, stop in spans:
            self._beyond.update(range(start, stop))
        self._advance()

    def __len__(self) -> int:
        return self._first + len(self._beyond)

    def __contains__(self, index: int) -> bool:
        return index < self._first or index in self._beyond

    def add(self, index: int) -> None:
        """Record an acknowledgement."""
        self._beyond.add(index)
        self._advance()

    def spans(self) -> list[Span]:
        """All acknowledged indices, in ascending order."""
        found = [(0, self._first)] if self._first else []
        for index in sorted(self._beyond):
            if found and found[-1][1] == index:
                found[-1] = (found[-1][0], index + 1)
            else:
                found.append((index, index + 1))
        return found

    def _advance(self) -> None:
        while self._first in self._beyond:
            self._beyond.remove(self._first)
            self._first += 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of an interrupted run."""

    topic: str
    orders: int
    """How many orders the input names."""
    digest: str
    """Identifies the input, as `digest_of`."""
    acknowledged: list[Span]
    """As `Acknowledged.spans`."""
    version: int = _VERSION

    def to_text(self) -> str:
        """One JSON object in a line."""
        return msgspec.json.encode(self).decode() + "\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read `to_text`. Raises ValueError for any other text."""
        try:
            version = msgspec.json.decode(text, type=dict[str, Any]).get("version")
            if version != _VERSION:
                raise ValueError(f"it has the version {version}; this release reads {_VERSION}")
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError("it holds no state of an interrupted run") from error


def digest_of(orders: Iterable[str]) -> str:
    """A fingerprint of these orders, in this order."""
    found = hashlib.sha256()
    for order in orders:
        found.update(order.encode() + b"\n")
    return found.hexdigest()
