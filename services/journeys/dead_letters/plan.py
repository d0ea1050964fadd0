"""What a replay sends, where, and in which batches. Pure.

A plan is made from a survey of the whole topic before anything is sent: what cannot be done is told then, not half-way.
Each partition is a lane of its own: its letters go out in the order of their offsets, and each batch is committed with
the records it became. Letters that were passed over stay pending; what is replayed beyond them stands in the map of the
commit. The map has a limit and is never cut, so a plan that would outgrow it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from journeys.consumer import offset_map
from journeys.consumer.ledger import Commit, Ledger
from journeys.dead_letters.filters import oldest
from journeys.dead_letters.letters import ERROR_HEADERS, REPLAY_COUNT, Letter, Marks, State, replays
from journeys.errors import HaltError, SetupError
from journeys.model import OrderMessage, Record
from journeys.routing import OWN_HEADERS
from journeys.settings import Settings

Forgotten: TypeAlias = Literal["replay", "skip"]
"""What is done with letters of which Kafka may have forgotten that they were replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One partition of the topic, as it stood when a command began: offsets from `start`, before `end`."""

    partition: int
    start: int
    end: int
    marks: Marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The topic as it stood when a command began."""

    shelves: tuple[Shelf, ...]
    letters: tuple[Letter, ...]
    """Those that the filter matches, whatever their state."""
    offsets: Mapping[int, Sequence[int]]
    """By partition, in ascending order: every record at or beyond the watermark."""
    unknown: Mapping[int, frozenset[int]]
    """By partition: letters that may have been replayed or not, whether the filter matches them or not."""
    pending: int
    """Letters not replayed yet, unknown ones included, whether the filter matches them or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Topics that a letter may go back to. `to` stands above all others."""

    orders: tuple[str, ...]
    tiers: frozenset[str]
    to: str | None = None

    @classmethod
    def of(cls, settings: Settings, to: str | None) -> Routing:
        """As the settings say. Raises ValueError where `to` is a topic that the worker writes to."""
        orders = settings.orders
        tiers = frozenset(topic for topic, _ in orders.tiers)
        if to is not None and (to in tiers or to == orders.dead_letter or to.startswith(settings.publish.topic_prefix)):
            raise ValueError(f"{to} is written to by the worker: letters go to a topic of orders, or to one set aside")
        return cls(orders=orders.topics, tiers=tiers, to=to)

    def target(self, letter: Letter) -> str | None:
        """The topic a letter goes back to; None where it came from one that these settings do not name.

        A retry tier takes no letters: it holds orders that wait, with headers of their own.
        """
        if self.to is not None:
            return self.to
        if letter.topic in self.orders:
            return letter.topic
        if letter.topic is None or letter.topic in self.tiers:
            return letter.origin if letter.origin in self.orders else self.orders[0]
        return None

    def record(self, message: OrderMessage, topic: str) -> Record:
        """The order message that a letter was, and a header that counts its replays.

        A message given up in a retry tier still has the tier's headers: they are the worker's own, and left out.
        """
        source = (message.header("error-topic") or b"").decode(errors="replace")
        left_out = ERROR_HEADERS | {REPLAY_COUNT} | (OWN_HEADERS if source in self.tiers else frozenset())
        return Record(
            topic=topic,
            key=message.key,
            value=message.value,
            headers=[
                *((name, value) for name, value in message.headers if name not in left_out),
                (REPLAY_COUNT, str(replays(message) + 1)),
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What is sent of one partition: the target of each letter by its offset, and where to go on from."""

    shelf: Shelf
    marks: Marks
    targets: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay sends."""

    letters: tuple[Letter, ...]
    """The oldest first."""
    legs: tuple[Leg, ...]
    topics: Mapping[str, int]
    """How many letters go to each topic."""
    left: int
    """Letters that stay pending."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many letters there are of each reason."""
        return Counter(letter.reason for letter in self.letters)


class Lane:
    """Batches of one partition, each with the commit that goes with it. `chosen` are the offsets to send."""

    def __init__(self, partition: int, ledger: Ledger, chosen: Container[int]) -> None:
        self._partition = partition
        self._ledger = ledger
        self._chosen = chosen
        self._batch: list[int] = []

    def takes(self, offset: int) -> bool:
        """Record an offset that was read, in ascending order; whether its letter joins the batch."""
        if not self._ledger.polled(offset) or offset not in self._chosen:
            return False
        self._ledger.finish(offset)
        self._batch.append(offset)
        return True

    def commit(self) -> Commit:
        """The commit of the batch. Raises MapFullError where its map would outgrow the limit."""
        commit = self._ledger.commit(self._batch)
        if len(commit.covers) < len(self._batch) or not _is_readable(commit):
            raise MapFullError(self._partition, self._ledger.watermark)
        return commit

    def sent(self, commit: Commit) -> None:
        """The batch went out with this commit; the next one begins."""
        self._ledger.published(commit)
        self._batch.clear()


class MapFullError(HaltError):
    """Too much would have to be remembered beyond the first letter that stays pending."""

    def __init__(self, partition: int, offset: int) -> None:
        super().__init__(
            "too many letters would be replayed past older ones that stay pending, the first of them at "
            f"{partition}/{offset}: JOURNEYS_ORDERS__MAP_LIMIT is too small to remember which. "
            "Replay the oldest pending ones first (--until, --limit), or move those that are never to be replayed "
            "to a topic of their own (--reason … --to TOPIC), or export"
        )


def plan(
    survey: Survey,
    routing: Routing,
    *,
    existing: Collection[str],
    limit: int | None,
    forgotten: Forgotten | None,
    map_limit: int,
    batch_size: int,
) -> Plan:
    """Which letters to send, given the topics there are. Raises HaltError where it cannot be done as asked."""
    open_states = {State.PENDING} if forgotten == "skip" else {State.PENDING, State.UNKNOWN}
    chosen = oldest((letter for letter in survey.letters if letter.state in open_states), limit)
    targets = _targets(chosen, routing, existing)
    if forgotten is None:
        _refuse_forgotten(survey, targets)
    legs = tuple(
        Leg(
            shelf=shelf,
            marks=shelf.marks.settled(survey.unknown.get(shelf.partition, ()) if forgotten == "skip" else ()),
            targets=targets[shelf.partition],
        )
        for shelf in survey.shelves
        if shelf.partition in targets
    )
    for leg in legs:
        _rehearse(leg, survey.offsets[leg.shelf.partition], map_limit=map_limit, batch_size=batch_size)
    skipped = sum(len(survey.unknown.get(leg.shelf.partition, ())) for leg in legs) if forgotten == "skip" else 0
    return Plan(
        letters=tuple(chosen),
        legs=legs,
        topics=Counter(topic for leg in legs for topic in leg.targets.values()),
        left=survey.pending - skipped - len(chosen),
    )


def _targets(letters: Iterable[Letter], routing: Routing, existing: Collection[str]) -> dict[int, dict[int, str]]:
    targets: dict[int, dict[int, str]] = {}
    strangers: Counter[str] = Counter()
    for letter in letters:
        if (target := routing.target(letter)) is None:
            strangers[letter.topic or ""] += 1
        else:
            targets.setdefault(letter.position.partition, {})[letter.position.offset] = target
    if strangers:
        named = ", ".join(f"{topic} ({count})" for topic, count in sorted(strangers.items()))
        raise SetupError(
            f"some letters came from topics that JOURNEYS_ORDERS__TOPICS does not name: {named}; "
            "say where they go with --to, or take others only with --topic"
        )
    missing = {topic for leg in targets.values() for topic in leg.values()} - set(existing)
    if missing:
        raise SetupError(f"these topics are missing, and letters would go there: {', '.join(sorted(missing))}")
    return targets


def _refuse_forgotten(survey: Survey, targets: Mapping[int, object]) -> None:
    count = sum(len(survey.unknown.get(partition, ())) for partition in targets)
    if count:
        raise SetupError(
            "no replay is remembered, and some letters are so old that Kafka may have forgotten one "
            f"(offsets.retention.minutes): {count} of them. Say `--forgotten replay` if there was none, "
            "or `--forgotten skip` to count them as replayed"
        )


def _rehearse(leg: Leg, offsets: Iterable[int], *, map_limit: int, batch_size: int) -> None:
    """Go through the batches without sending any, to see that every commit fits."""
    lane = Lane(leg.shelf.partition, leg.marks.ledger(limit=map_limit), leg.targets)
    in_batch = 0
    for offset in offsets:
        in_batch += lane.takes(offset)
        if in_batch >= batch_size:
            lane.sent(lane.commit())
            in_batch = 0
    if in_batch:
        lane.commit()


def _is_readable(commit: Commit) -> bool:
    try:
        offset_map.decode(commit.watermark, commit.metadata)
    except offset_map.UnknownMapError:  # a run is longer than a reader believes
        return False
    return True
