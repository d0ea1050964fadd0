"""Finds the place of each order: every order message must be in exactly one place, after any disaster.

    unread          in its own topic: no commit covers it
    retry           in a tier: no commit covers the record there
    published       its whole journey and the summary
    in part         the same, with items that were rejected
    empty           a summary that says that there is no journey
    dead letter     in the dead letters
    skipped         a message of null that a commit covers
    torn            events without their summary, or not those that it speaks of: never right

A message is known by its edition, which retries carry along. What was committed decides, never what a worker logged.
`places` is a rule without I/O; `traces` reads what it needs, read_committed, and is exact once the workers are gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.broker.kafka_tools import Read, committed_offsets
from tests.broker.shop import CHANNELS, Shop

from journeys.consumer.ledger import Committed


class Place(StrEnum):
    """The possible places of an order message."""

    UNREAD = "unread"
    RETRY = "retry"
    PUBLISHED = "published"
    IN_PART = "in part"
    EMPTY = "empty"
    DEAD_LETTER = "dead letter"
    SKIPPED = "skipped"
    TORN = "torn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One place of an order message. `topic` is the tier's; `reason` is why it is there, where it was not published."""

    place: Place
    topic: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The committed state of a shop's orders."""

    messages: Sequence[Read]
    retries: Sequence[Read]
    dead_letters: Sequence[Read]
    events: Sequence[Read]
    """Rejected ones included."""
    summaries: Sequence[Mapping[str, Any]]
    is_covered: Callable[[Read], bool]
    """Whether a commit of the groups covers a record of an order topic or a tier."""


def places(traces: Traces) -> dict[str, list[Found]]:
    """Every place of every order message, by edition. More or less than one is a message doubled or lost."""
    found: dict[str, list[Found]] = {_position(message): [] for message in traces.messages}
    for message in traces.messages:
        if not traces.is_covered(message):
            found[_position(message)].append(Found(place=Place.UNREAD))
        elif message.value is None:
            found[_position(message)].append(Found(place=Place.SKIPPED))
    for retry in traces.retries:
        if not traces.is_covered(retry):
            reason = retry.header("retry-reason") or ""
            found[retry.header("edition") or ""].append(Found(place=Place.RETRY, topic=retry.topic, reason=reason))
    for letter in traces.dead_letters:
        reason = letter.header("error-reason") or ""
        found[_source(letter)].append(Found(place=Place.DEAD_LETTER, reason=reason))
    for edition, place in _published(traces.events, traces.summaries):
        found[edition].append(Found(place=place))
    return found


def place_of_each(traces: Traces) -> dict[str, Found]:
    """The place of each order, by its message's text. Raises AssertionError unless each has exactly one place."""
    found = places(traces)
    wrong = {
        f"{(message.value or b'').decode(errors='replace')} ({_position(message)})": found[_position(message)]
        for message in traces.messages
        if len(found[_position(message)]) != 1
    }
    assert not wrong, f"not in exactly one place: {wrong}"
    return {
        (message.value or b"").decode(errors="replace"): found[_position(message)][0] for message in traces.messages
    }


def traces(shop: Shop) -> Traces:
    """The present committed state of a shop."""
    servers, group = shop.stack.broker.bootstrap_servers, shop.crew.environment["JOURNEYS_KAFKA__GROUP_ID"]
    messages, retries = shop.read(shop.orders), shop.read(*shop.tiers) if shop.tiers else []
    commits = committed_offsets(servers, group, _partitions(messages))
    commits |= committed_offsets(servers, f"{group}.retry", _partitions(retries))

    def is_covered(record: Read) -> bool:
        commit = commits.get((record.topic, record.partition))
        return commit is not None and Committed.of(*commit).covers(record.offset)

    return Traces(
        messages=messages,
        retries=retries,
        dead_letters=shop.read(shop.dead_letters),
        events=shop.read(*(shop.topic(end) for end in (*CHANNELS, "rejected"))),
        summaries=[summary for found in shop.summaries().values() for summary in found],
        is_covered=is_covered,
    )


def _published(events: Iterable[Read], summaries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Place]]:
    """Edition and place for each summary, and for events that have none."""
    positions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        positions[event.header("edition") or ""].append(int(event.header("position") or -1))
    for summary in summaries:
        size = sum(summary["expected"].values()) + summary["rejected"]
        whole = sorted(positions.pop(summary["edition"], [])) == list(range(size))
        place = Place.IN_PART if summary["rejected"] else Place.PUBLISHED if size else Place.EMPTY
        yield summary["edition"], place if whole else Place.TORN
    for edition in positions:
        yield edition, Place.TORN


def _partitions(records: Iterable[Read]) -> set[tuple[str, int]]:
    return {(record.topic, record.partition) for record in records}


def _position(record: Read) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _source(letter: Read) -> str:
    return "/".join(letter.header(f"error-{name}") or "" for name in ("topic", "partition", "offset"))
