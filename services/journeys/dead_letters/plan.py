"""Which letters a replay sends, to which topics, and in which batches. No I/O.

A replay is planned from a scan of the whole topic before anything is sent. So an impossible request is refused at once
and not half-way.

Each partition is replayed by itself: its letters go out in the order of their offsets, and each batch is committed in
one transaction with the records it became. Letters that a filter passes over stay pending; the commit's offset map
records which letters beyond them were replayed. The map has a limit and is never truncated, so a plan that would
outgrow it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from journeys.consumer import offset_map
from journeys.consumer.ledger import Commit, Ledger
from journeys.dead_letters.filters import oldest
from journeys.dead_letters.letters import Letter, ReplayedOffsets, State, replays
from journeys.dead_letters.scan import PartitionScan, Scan
from journeys.errors import HaltError, SetupError
from journeys.headers import ErrorHeader, ReplayHeader, RetryHeader
from journeys.model import OrderMessage, Record
from journeys.settings import Settings

Forgotten: TypeAlias = Literal["replay", "skip"]
"""Whether unknown letters are replayed, or counted as replayed."""

_STRIPPED = frozenset({*ErrorHeader, *ReplayHeader})
_STRIPPED_FROM_TIER = _STRIPPED | frozenset(RetryHeader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The topics that letters may go back to. `to`, if set, takes all letters."""

    orders: tuple[str, ...]
    tiers: frozenset[str]
    to: str | None = None

    @classmethod
    def of(cls, settings: Settings, to: str | None) -> Targets:
        """The order topics and retry tiers of the settings. Raises ValueError if the worker itself writes to `to`."""
        orders = settings.orders
        tiers = frozenset(orders.retry_topics)
        if to in {*tiers, orders.dead_letter, *settings.publish.topics}:
            raise ValueError(f"the worker writes to {to}: name an order topic, or a topic that you set aside")
        return cls(orders=orders.topics, tiers=tiers, to=to)

    def topic(self, letter: Letter) -> str | None:
        """The topic a letter goes back to; None if it came from a topic that the settings do not name.

        A letter never goes into a retry tier: records there need the worker's own headers.
        """
        if self.to is not None:
            return self.to
        if letter.topic in self.orders:
            return letter.topic
        if letter.topic is None or letter.topic in self.tiers:
            return letter.origin if letter.origin in self.orders else self.orders[0]
        return None

    def record(self, message: OrderMessage, topic: str) -> Record:
        """The order message as it was before it became a letter, with one more replay in its headers.

        A message that failed in a retry tier still has the tier's headers. The worker wrote them, so they are removed.
        """
        source = (message.header(ErrorHeader.TOPIC) or b"").decode(errors="replace")
        stripped = _STRIPPED_FROM_TIER if source in self.tiers else _STRIPPED
        fetched_at = message.number(ErrorHeader.FETCHED_AT)
        if fetched_at is None:
            fetched_at = message.number(ReplayHeader.FETCHED_AT)
        return Record(
            topic=topic,
            key=message.key,
            value=message.value,
            headers=[
                *((name, value) for name, value in message.headers if name not in stripped),
                (ReplayHeader.COUNT, str(replays(message) + 1)),
                *([] if fetched_at is None else [(ReplayHeader.FETCHED_AT, str(fetched_at))]),
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPlan:
    """The letters of one partition to send. `replayed` are those that were sent before."""

    partition: int
    start: int
    end: int
    """Offsets from `start`, before `end`."""
    replayed: ReplayedOffsets
    targets: Mapping[int, str]
    """The topic of each letter to send, by its offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """The letters that a replay sends."""

    letters: tuple[Letter, ...]
    """The oldest first."""
    partitions: tuple[PartitionPlan, ...]
    topics: Mapping[str, int]
    """How many letters go to each topic."""
    left: int
    """Letters that stay pending."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many letters there are of each reason."""
        return Counter(letter.reason for letter in self.letters)


class PartitionReplay:
    """The batches of one partition, and the commit of each. `chosen` are the offsets to send."""

    def __init__(self, partition: int, ledger: Ledger, chosen: Container[int]) -> None:
        self._partition = partition
        self._ledger = ledger
        self._chosen = chosen
        self._batch: list[int] = []

    def take(self, offset: int) -> bool:
        """Record that `offset` was read; offsets come in ascending order. True if its letter joins the batch."""
        if not self._ledger.polled(offset) or offset not in self._chosen:
            return False
        self._ledger.finish(offset)
        self._batch.append(offset)
        return True

    def commit(self) -> Commit:
        """The commit of the batch. Raises MapFullError if its offset map would outgrow the limit."""
        commit = self._ledger.commit(self._batch)
        if len(commit.covers) < len(self._batch) or not _is_readable(commit):
            raise MapFullError(self._partition, self._ledger.watermark)
        return commit

    def sent(self, commit: Commit) -> None:
        """Record that the batch was committed, and begin the next one."""
        self._ledger.published(commit)
        self._batch.clear()


class MapFullError(HaltError):
    """The offset map cannot hold all letters replayed beyond the first one that stays pending."""

    def __init__(self, partition: int, offset: int) -> None:
        super().__init__(
            "too many letters would be replayed past older ones that stay pending, the first of them at "
            f"{partition}/{offset}: JOURNEYS_ORDERS__MAP_LIMIT is too small to remember which. "
            "Replay the oldest pending ones first (--until, --limit), or move those that are never to be replayed "
            "to a topic of their own (--reason … --to TOPIC), or export"
        )


def plan_replay(
    scan: Scan,
    targets: Targets,
    *,
    existing: Collection[str],
    limit: int | None,
    forgotten: Forgotten | None,
    map_limit: int,
    batch_size: int,
) -> ReplayPlan:
    """The letters to send: the `limit` oldest that the scan's filter matches and that were not replayed.

    `existing` are the cluster's topics, `map_limit` the characters of a commit's metadata. Raises HaltError if the
    request cannot be carried out.
    """
    open_states = {State.PENDING} if forgotten == "skip" else {State.PENDING, State.UNKNOWN}
    chosen = oldest((letter for letter in scan.letters if letter.state in open_states), limit)
    by_partition = _targets_by_partition(chosen, targets, existing)
    scanned = [each for each in scan.partitions if each.partition in by_partition]
    if forgotten is None:
        _refuse_unknown(scanned)
    plans = tuple(
        PartitionPlan(
            partition=each.partition,
            start=each.start,
            end=each.end,
            replayed=each.replayed.with_replayed(each.unknown if forgotten == "skip" else ()),
            targets=by_partition[each.partition],
        )
        for each in scanned
    )
    for each, planned in zip(scanned, plans, strict=True):
        _rehearse(planned, each.offsets, map_limit=map_limit, batch_size=batch_size)
    skipped = sum(len(each.unknown) for each in scanned) if forgotten == "skip" else 0
    return ReplayPlan(
        letters=tuple(chosen),
        partitions=plans,
        topics=Counter(topic for each in plans for topic in each.targets.values()),
        left=scan.pending - skipped - len(chosen),
    )


def _targets_by_partition(
    letters: Iterable[Letter], targets: Targets, existing: Collection[str]
) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    strangers: Counter[str] = Counter()
    for letter in letters:
        if (topic := targets.topic(letter)) is None:
            strangers[letter.topic or ""] += 1
        else:
            found.setdefault(letter.position.partition, {})[letter.position.offset] = topic
    if strangers:
        named = ", ".join(f"{topic} ({count})" for topic, count in sorted(strangers.items()))
        raise SetupError(
            f"some letters came from topics that JOURNEYS_ORDERS__TOPICS does not name: {named}; "
            "say where they go with --to, or take others only with --topic"
        )
    missing = {topic for by_offset in found.values() for topic in by_offset.values()} - set(existing)
    if missing:
        raise SetupError(
            "letters would go to topics that are missing, or hidden from this client (ACL: Write on the topic): "
            + ", ".join(sorted(missing))
        )
    return found


def _refuse_unknown(scanned: Iterable[PartitionScan]) -> None:
    """Refuse partitions with unknown letters: a commit there would show them as pending from then on."""
    if count := sum(len(each.unknown) for each in scanned):
        raise SetupError(
            "no replay is remembered, and some letters are so old that Kafka may have forgotten one "
            f"(offsets.retention.minutes): {count} of them. Say `--forgotten replay` if there was none, "
            "or `--forgotten skip` to count them as replayed"
        )


def _rehearse(planned: PartitionPlan, offsets: Iterable[int], *, map_limit: int, batch_size: int) -> None:
    """Go through all batches without sending any. Raises MapFullError if a commit would not fit."""
    replay = PartitionReplay(planned.partition, planned.replayed.ledger(limit_chars=map_limit), planned.targets)
    in_batch = 0
    for offset in offsets:
        in_batch += replay.take(offset)
        if in_batch >= batch_size:
            replay.sent(replay.commit())
            in_batch = 0
    if in_batch:
        replay.commit()


def _is_readable(commit: Commit) -> bool:
    try:
        offset_map.decode(commit.watermark, commit.metadata)
    except offset_map.UnknownMapError:  # a run is longer than a reader accepts
        return False
    return True
