"""The story of one order: what was found, and the place where the order is now. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from journeys.clock import iso
from journeys.dead_letters.formats import facts
from journeys.dead_letters.letters import Letter, State
from journeys.headers import RetryHeader
from journeys.model import OrderMessage
from journeys.tools.event import Event
from journeys.tools.show.compare import Difference, compare
from journeys.tools.show.edition import Edition


class Place(StrEnum):
    """Where an order is."""

    PUBLISHED = "published"
    DEAD_LETTER = "dead-letter"
    RETRY = "retry"
    """It waits in a retry tier."""
    OPEN = "open"
    """Its message is not published: not read yet, not due yet, or in hand."""
    GONE = "gone"
    """The group is past its message, and Kafka no longer has what became of it."""
    NOWHERE = "nowhere"
    """Nothing was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message of an order topic."""

    message: OrderMessage
    open: bool
    """Whether the group has not finished it."""
    due_ms: int | None
    """When it may be fetched, milliseconds since the epoch; None for at once."""

    @property
    def edition(self) -> str:
        """The edition that its records have."""
        return str(self.message.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """A record of a retry tier."""

    message: OrderMessage
    open: bool
    due_ms: int | None

    @property
    def edition(self) -> str:
        """The edition of the order, which the record carries."""
        return (self.message.header(RetryHeader.EDITION) or b"").decode(errors="replace")

    @property
    def reason(self) -> str:
        """Why the order was sent there."""
        return (self.message.header(RetryHeader.REASON) or b"").decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Where was looked: a topic, its partitions, how many records were read, and the time of the oldest of them."""

    topic: str
    partitions: tuple[int, ...]
    of: int
    """How many partitions the topic has."""
    records: int
    since_ms: int | None
    """Milliseconds since the epoch; None without records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that was found of one order."""

    order: str
    received: Sequence[Received]
    retries: Sequence[Retried]
    letters: Sequence[Letter]
    editions: Sequence[Edition]
    """The newest first."""
    looked: Sequence[Looked]
    api: Edition | None = None
    """The journey that the API has now, if it was asked."""

    @property
    def place(self) -> Place:
        """Where the order is now: the place of its newest message."""
        if self.received:
            return self.place_of(max(self.received, key=lambda each: newness(each.message)))
        if any(retry.open for retry in self.retries):
            return Place.RETRY
        if any(letter.state is not State.REPLAYED for letter in self.letters):
            return Place.DEAD_LETTER
        if self.editions:
            return Place.PUBLISHED
        return Place.GONE if self.letters or self.retries else Place.NOWHERE

    def place_of(self, received: Received) -> Place:
        """What became of one message."""
        if any(edition.source == received.edition for edition in self.editions):
            return Place.PUBLISHED
        if any(retry.open and retry.edition == received.edition for retry in self.retries):
            return Place.RETRY
        if any(letter.source == received.edition for letter in self.letters):
            return Place.DEAD_LETTER
        return Place.OPEN if received.open else Place.GONE

    @property
    def timeline(self) -> list[Event]:
        """The events of the API's journey if it was asked, else of the newest edition."""
        shown = [self.api] if self.api is not None else self.editions[:1]
        return [event for edition in shown for event in edition.timeline()]

    @property
    def differences(self) -> list[Difference]:
        """What the API has now and the newest edition has not, or otherwise; empty if either is unknown."""
        return compare(self.editions[0], self.api) if self.editions and self.api is not None else []

    def as_json(self) -> dict[str, Any]:
        """The document that `--json` prints; docs/commands.md describes it."""
        return {
            "order": self.order,
            "place": self.place.value,
            "messages": [
                {
                    "position": each.edition,
                    "time": iso(each.message.timestamp_ms),
                    "place": self.place_of(each).value,
                    "due": iso(each.due_ms),
                }
                for each in self.received
            ],
            "retries": [
                {
                    "position": str(each.message.position),
                    "time": iso(each.message.timestamp_ms),
                    "edition": each.edition,
                    "reason": each.reason,
                    "attempt": each.message.number(RetryHeader.ATTEMPT),
                    "open": each.open,
                    "due": iso(each.due_ms),
                }
                for each in self.retries
            ],
            "dead_letters": [{**facts(letter), "replay": replay_command(letter)} for letter in self.letters],
            "editions": [edition.facts() for edition in self.editions],
            "journey": [{**asdict(event), "actions": [*event.actions]} for event in self.timeline],
            "api": self.api
            and {
                "events": len(self.api.events),
                "differences": [{**asdict(each), "fields": [*each.fields]} for each in self.differences],
            },
            "looked": [
                {
                    "topic": each.topic,
                    "partitions": [*each.partitions],
                    "of": each.of,
                    "records": each.records,
                    "since": iso(each.since_ms),
                }
                for each in self.looked
            ],
        }


def newness(message: OrderMessage) -> tuple[int, int]:
    """Sort key: the newest message has the greatest. Of messages with one timestamp, it has the greatest offset."""
    return message.timestamp_ms or 0, message.position.offset


def replay_command(letter: Letter) -> str | None:
    """The command that sends a letter again; None if it was replayed, or names no order."""
    if letter.state is State.REPLAYED or letter.order is None:
        return None
    return f"journeys dead-letters replay --order {shlex.quote(letter.order)} --execute"
