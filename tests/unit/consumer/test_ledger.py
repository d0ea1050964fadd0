"""The ledger where its map is at its limit."""

from __future__ import annotations

import pytest

from journeys.consumer import offset_map
from journeys.consumer.ledger import Committed, Ledger


def test_ledger_with_nothing_in_hand_always_has_room() -> None:
    """An offset beyond a hole makes the map span more than was foreseen; the next owner must still go on."""
    limit = 12
    first = Ledger(epoch=1, watermark=0, metadata=None, limit_chars=limit)
    assert first.polled(0)
    assert first.has_room()
    assert first.polled(31)  # compaction took what lay between
    first.finish(31)
    commit = first.commit([31])
    assert commit.covers == {31}

    heir = Ledger(epoch=2, watermark=commit.watermark, metadata=commit.metadata, limit_chars=limit)
    assert offset_map.worst_size(32, 2) > limit
    assert heir.has_room()
    assert heir.polled(0)
    assert not heir.has_room()
    heir.finish(0)
    assert heir.commit([0]).watermark == 1


def test_new_owner_works_on_unpublished_offsets_only() -> None:
    """Neither on what the map names, be it next or beyond an order in hand, nor on what it was given before."""
    metadata = offset_map.encode(3, [3, 5, 6], topic_id=offset_map.NO_ID)
    heir = Ledger(epoch=2, watermark=3, metadata=metadata, limit_chars=100)
    assert [offset for offset in (3, 4, 5, 4, 3, 6, 7) if heir.polled(offset)] == [4, 7]
    assert (heir.watermark, heir.unpublished) == (4, 2)
    heir.finish(4)
    commit = heir.commit([4])
    assert (commit.watermark, commit.metadata) == (7, "2AAAAAA")
    heir.published(commit)
    assert (heir.watermark, heir.unpublished) == (7, 1)


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_only_offsets_in_flight_can_finish(offset: int) -> None:
    """An offset that is finished, published or was never polled is refused: the caller has a defect."""
    ledger = Ledger(epoch=1, watermark=0, metadata="", limit_chars=100)
    for polled in (0, 1):
        ledger.polled(polled)
    ledger.finish(0)
    ledger.published(ledger.commit([0]))
    ledger.finish(1)
    with pytest.raises(KeyError):
        ledger.finish(offset)


def test_gaps_are_unpublished_offsets_below_a_published_one() -> None:
    """They end with the order that held up the watermark; the map of the last commit has a size."""
    ledger = Ledger(epoch=1, watermark=0, metadata="", limit_chars=100)
    assert (ledger.gaps, ledger.map_bytes) == (0, 0)
    for polled in range(6):
        ledger.polled(polled)
    for finished in (1, 3):
        ledger.finish(finished)
    commit = ledger.commit([1, 3])
    ledger.published(commit)
    assert (ledger.gaps, ledger.map_bytes) == (2, len(commit.metadata))
    for finished in (0, 2):
        ledger.finish(finished)
    ledger.published(ledger.commit([0, 2]))
    assert ledger.gaps == 0


def test_unread_offsets_are_those_that_no_owner_has_published() -> None:
    """A map of an earlier owner may name offsets that this one has not polled."""
    metadata = offset_map.encode(3, [3, 5, 6], topic_id=offset_map.NO_ID)
    heir = Ledger(epoch=2, watermark=3, metadata=metadata, limit_chars=100)
    assert (heir.unread(10), heir.unread(3)) == (4, 0)
    for polled in (3, 4):
        heir.polled(polled)
    assert heir.unread(10) == 3
    for polled in (5, 6, 7):
        heir.polled(polled)
    assert heir.unread(10) == 2


def test_commit_read_back_covers_orders_below_its_watermark_and_in_its_map() -> None:
    """The map is the one that workers write."""
    committed = Committed.of(12, offset_map.encode(12, [14, 15, 18], topic_id=offset_map.NO_ID))
    assert [offset for offset in range(10, 20) if not committed.covers(offset)] == [12, 13, 16, 17, 19]
    assert not Committed.of(12, "").covers(12)


def test_end_of_the_partition_moves_the_watermark_past_markers() -> None:
    """At once if nothing is in hand, else with the next commit. An end that was passed before changes nothing."""
    ledger = Ledger(epoch=1, watermark=3, metadata=None, limit_chars=100)
    assert ledger.polled(3)
    assert not ledger.reached(5)
    assert (ledger.watermark, ledger.next_offset) == (3, 5)
    ledger.finish(3)
    commit = ledger.commit([3])
    assert (commit.watermark, commit.covers) == (5, frozenset({3}))
    ledger.published(commit)
    assert [ledger.reached(end) for end in (5, 4, 7)] == [False, False, True]
    assert ledger.commit([]).watermark == 7
    assert not ledger.polled(6)


def test_end_of_the_partition_keeps_no_part_of_the_map_below_it() -> None:
    """The records that the map names are gone: no gap is left."""
    metadata = offset_map.encode(3, [5], topic_id=offset_map.NO_ID)
    heir = Ledger(epoch=2, watermark=3, metadata=metadata, limit_chars=100)
    assert heir.reached(8)
    assert (heir.watermark, heir.published_beyond, heir.gaps) == (8, 0, 0)
