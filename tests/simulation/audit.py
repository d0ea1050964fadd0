"""The invariants. Each transaction is audited at the moment it is decided, since nothing can take it back from there.

- An order is published, retried or made a dead letter exactly once each time it is taken: by a transaction that is
  committed. Until then it is owed.
- The group's committed offsets cover exactly the orders that are done: a difference is an order that will be published
  twice, or never.
- A journey is visible whole: every event of the API at its position, and one summary that agrees with them.
- Once the topic of orders was created again, each order of the new one is published or made a dead letter, at least
  once: results of the old topic's orders are no longer distinguished.
- Nothing that Kafka would refuse for ever is asked of it twice: a map that is too large.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaError
from tests.simulation.encoder import SUMMARY, Event, Summary
from tests.simulation.kafka.cluster import Watcher
from tests.simulation.kafka.log import Committed, Entry, Place, Transaction
from tests.simulation.story import Story
from tests.simulation.wiring import DEAD_LETTER, ORDERS, TIERS

from journeys.consumer import offset_map

_EVENT = msgspec.json.Decoder(Event)
_SUMMARY = msgspec.json.Decoder(Summary)
START = "journeys-start"
"""The transactional id of the producer that lets the group start at the ends of its topics."""
_RETRIES = frozenset(topic for topic, _ in TIERS)


@dataclass(slots=True)
class Item:
    """Something owed: an order message, or a retry of it."""

    edition: str
    place: Place
    offset: int
    attempt: int
    done: bool = False
    is_null: bool = False


class Audit(Watcher):
    """Watches the broker. `violation` is the first thing that must not be.

    `size_of` gives the number of events that an order's journey has; None if it may have several numbers of them.
    """

    def __init__(self, story: Story, size_of: Callable[[str], int | None]) -> None:
        self._story = story
        self._size_of = size_of
        self._owed: dict[str, Item] = {}  # by edition
        self._items: dict[Place, list[Item]] = defaultdict(list)
        self._offsets: dict[Place, Committed] = {}
        self._owed_anew: set[str] | None = None  # order ids of the topic that was created again
        self.violation: str | None = None
        self._counts = story.counts
        self.refusals: Counter[int] = Counter()

    def placed(self, place: Place, offset: int, *, is_null: bool) -> None:
        """An order message is in Kafka."""
        edition = f"{place[0]}/{place[1]}/{offset}"
        item = Item(edition, place, offset, 0, is_null=is_null)
        self._items[place].append(item)
        if not is_null:
            self._owed[edition] = item

    def recreated(self) -> None:
        """The topic of orders is another one: editions and offsets mean others."""
        self._owed_anew = set()

    def placed_anew(self, order_id: str) -> None:
        """An order is in the new topic. Its id is in no other message."""
        assert self._owed_anew is not None
        self._owed_anew.add(order_id)

    def violated(self, what: str) -> None:
        """This must not be."""
        if self.violation is None:
            self.violation = what
            self._story.tell("AUDIT", what)

    def refused(self, transactional_id: str, code: int) -> None:
        """A request was refused: a map that is too large is never to be sent."""
        self.refusals[code] += 1
        if code == KafkaError.OFFSET_METADATA_TOO_LARGE:
            self.violated(f"{transactional_id} sends more metadata than Kafka takes")

    def decided(self, transaction: Transaction) -> None:
        """A transaction is committed."""
        if self._owed_anew is not None:
            ended = (entry for entry in transaction.entries if entry.place[0] in (SUMMARY, DEAD_LETTER))
            self._owed_anew.difference_update((entry.key or b"").decode(errors="replace") for entry in ended)
            return
        if transaction.transactional_id.startswith(START):
            self._started(transaction)
        by_edition: dict[str, list[Entry]] = defaultdict(list)
        for entry in transaction.entries:
            by_edition[_edition(entry)].append(entry)
        touched: dict[Place, None] = {}
        for edition, entries in by_edition.items():
            item = self._owed.pop(edition, None)
            if item is None:
                self.violated(f"{edition} goes out again: {sorted({entry.place[0] for entry in entries})}")
                return
            item.done = True
            touched[item.place] = None
            self._went(item, entries, touched)
        for (_, place), offset in transaction.offsets.items():
            known = self._offsets.get(place)
            if known is None or known.written < offset.written:
                self._offsets[place] = offset
            touched[place] = None
        for place in touched:
            self._compare(place)

    def owed(self) -> list[str]:
        """The orders that are still owed."""
        return list(self._owed) if self._owed_anew is None else sorted(self._owed_anew)

    def left(self) -> str | None:
        """A message that the committed offsets do not cover, be it a null one; None where they cover all."""
        for place, items in self._items.items() if self._owed_anew is None else ():
            committed = self._offsets.get(place)
            for item in items:
                if committed is None or not _covers(committed, item.offset):
                    return f"{place[0]}/{place[1]}/{item.offset}"
        return None

    def _started(self, transaction: Transaction) -> None:
        """The group starts at these offsets: orders below them are not owed. They are set once."""
        self._counts["starts at the end"] += 1
        self._story.tell("Kafka", f"lets the group start at the ends of {len(transaction.offsets)} partitions")
        for (_, place), offset in transaction.offsets.items():
            if place in self._offsets:
                self.violated(f"{place[0]}/{place[1]} has an offset, and the start of its group is set again")
            for item in self._items[place]:
                if item.offset < offset.offset:
                    item.done = True
                    self._owed.pop(item.edition, None)

    # -- one order of one transaction

    def _went(self, item: Item, entries: list[Entry], touched: dict[Place, None]) -> None:
        summaries = [entry for entry in entries if entry.place[0] == SUMMARY]
        aside = [entry for entry in entries if entry.place[0] in _RETRIES or entry.place[0] == DEAD_LETTER]
        events = [entry for entry in entries if entry not in summaries and entry not in aside]
        if len(summaries) + len(aside) != 1 or (events and not summaries):
            self.violated(
                f"{item.edition} is in no one place: {len(summaries)} summaries, {len(events)} events, {len(aside)}"
                " retries and dead letters in one transaction"
            )
        elif summaries:
            self._counts["orders published"] += 1
            self._is_whole(item, _SUMMARY.decode(summaries[0].value or b""), events)
        elif aside[0].place[0] == DEAD_LETTER:
            self._counts["orders dead-lettered"] += 1
        else:
            [entry] = aside
            attempt = int(_header(entry, "attempt"))
            if attempt != item.attempt + 1:
                self.violated(f"attempt {attempt} of {item.edition} follows attempt {item.attempt}")
            self._counts["orders retried"] += 1
            retry = Item(item.edition, entry.place, entry.offset, attempt)
            self._items[entry.place].append(retry)
            self._owed[item.edition] = retry
            touched[entry.place] = None

    def _is_whole(self, item: Item, summary: Summary, events: list[Entry]) -> None:
        found = sorted(
            (event.position, event.place) for event in (_EVENT.decode(entry.value or b"") for entry in events)
        )
        if found != [(position, f"{summary.order_id}-{position}") for position in range(len(events))]:
            self.violated(f"{item.edition} is half visible, or not its own: {found}")
        if (size := self._size_of(summary.order_id)) not in (None, len(events)):
            self.violated(f"{item.edition} has {len(events)} events; its journey has {size}")
        if Counter(entry.place[0] for entry in events) != summary.expected:
            self.violated(f"the summary of {item.edition} does not agree with its events")

    def _compare(self, place: Place) -> None:
        committed = self._offsets.get(place)
        for item in self._items[place]:
            covered = committed is not None and _covers(committed, item.offset)
            if item.is_null or covered is item.done:
                continue
            where = f"{place[0]}/{place[1]}/{item.offset}"
            if covered:
                self.violated(f"{where} is committed, and nothing of it is visible: skipped")
            else:
                self.violated(f"{where} is visible, and still owed by its committed offset: it will go out again")


_maps: dict[tuple[int, str], frozenset[int]] = {}


def _covers(committed: Committed, offset: int) -> bool:
    if offset < committed.offset:
        return True
    return bool(committed.metadata) and offset in _decoded(committed.offset, committed.metadata)


def _decoded(watermark: int, metadata: str) -> frozenset[int]:
    known = _maps.get((watermark, metadata))
    if known is None:
        if len(_maps) > 1000:
            _maps.clear()
        known = _maps[watermark, metadata] = offset_map.decode(watermark, metadata)
    return known


def _edition(entry: Entry) -> str:
    topic = entry.place[0]
    if topic == DEAD_LETTER:
        return "/".join(_header(entry, f"error-{part}") for part in ("topic", "partition", "offset"))
    if topic in _RETRIES:
        return _header(entry, "edition")
    if topic == SUMMARY:
        return _SUMMARY.decode(entry.value or b"").edition
    assert topic != ORDERS
    return _EVENT.decode(entry.value or b"").edition


def _header(entry: Entry, name: str) -> str:
    return next(((value or b"").decode() for key, value in reversed(entry.headers) if key == name), "")
