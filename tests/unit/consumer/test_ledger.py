"""The ledger where its map is at its limit."""

from __future__ import annotations

from journeys.consumer import offset_map
from journeys.consumer.ledger import Ledger


def test_a_ledger_with_nothing_in_hand_always_has_room() -> None:
    """An offset beyond a hole makes the map span more than was foreseen; the next owner must still go on."""
    limit = 6
    first = Ledger(epoch=1, watermark=0, metadata=None, limit=limit)
    assert first.polled(0)
    assert first.has_room()
    assert first.polled(31)  # compaction took what lay between
    first.finish(31)
    commit = first.commit([31])
    assert commit.covers == {31}

    heir = Ledger(epoch=2, watermark=commit.watermark, metadata=commit.metadata, limit=limit)
    assert offset_map.worst_size(32, 2) > limit
    assert heir.has_room()
    assert heir.polled(0)
    assert not heir.has_room()
    heir.finish(0)
    assert heir.commit([0]).watermark == 1
