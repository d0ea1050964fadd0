"""The ledger and its map, against a model that remembers everything."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.consumer import offset_map
from journeys.consumer.ledger import Committed, Ledger

LIMIT = 4000
ID = "q7Wm4xXpTxyRmQ0c9K1nPg"
"""The id of a topic."""

gaps = st.lists(st.one_of(st.just(1), st.integers(1, 4), st.integers(1, 5000)), min_size=1, max_size=120)
ids = st.uuids().map(lambda each: urlsafe_b64encode(each.bytes).decode().rstrip("="))
offsets_of = gaps.map(lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))])


@given(st.sets(st.integers(0, 60_000)), st.integers(0, 2**62), ids)
def test_an_offset_map_survives_the_round_trip(beyond: set[int], watermark: int, topic_id: str) -> None:
    """Decoding an encoded map gives the same map, with any gaps, any offsets and any id, also without the id."""
    offsets = {watermark + distance for distance in beyond}
    metadata = offset_map.encode(watermark, offsets, topic_id=topic_id)
    assert offset_map.decode(watermark, metadata) == offsets
    assert offset_map.decode(watermark, "1" + metadata[7:] if offsets else "") == offsets


@given(st.sets(st.integers(0, 60)), ids, ids)
def test_an_offset_map_belongs_to_one_topic_id(beyond: set[int], topic_id: str, other: str) -> None:
    """Another id is noticed by its first six characters. Without an id on either side there is no comparison."""
    metadata = offset_map.encode(0, beyond, topic_id=topic_id)
    assert not offset_map.is_of_another_topic(metadata, topic_id)
    differ = topic_id[:6] != other[:6] and "AAAAAA" not in (topic_id[:6], other[:6])
    assert offset_map.is_of_another_topic(metadata, other) is differ
    assert not offset_map.is_of_another_topic(metadata, offset_map.NO_ID)
    for without in ("", None, "1" + metadata[7:], offset_map.encode(0, beyond, topic_id=offset_map.NO_ID)):
        assert not offset_map.is_of_another_topic(without, other)


@given(offsets_of, st.data())
def test_an_offset_map_stays_within_its_reserved_size(offsets: list[int], data: st.DataObject) -> None:
    """Whichever orders finish first, the map stays within the size reserved for it."""
    watermark = offsets[0]
    finished = data.draw(st.sets(st.sampled_from(offsets)))
    worst = offset_map.worst_size(offsets[-1] + 1 - watermark, len(offsets))
    assert len(offset_map.encode(watermark, finished, topic_id=ID)) <= worst


@given(offsets_of, st.data())
def test_each_offset_is_published_once_in_any_finishing_order(offsets: list[int], data: st.DataObject) -> None:
    """With any finishing order, any transactions and any hand-over, each offset is worked on exactly once."""
    limit = data.draw(st.sampled_from([40, 200, LIMIT]))
    ledger = Ledger(epoch=1, watermark=0, metadata=None, limit_chars=limit, topic_id=ID)
    published: list[int] = []
    last = (0, "")
    todo = list(offsets)
    in_flight: list[int] = []
    waiting: set[int] = set()
    while todo or in_flight or waiting:
        while todo and ledger.has_room():
            offset = todo.pop(0)
            if ledger.polled(offset):
                in_flight.append(offset)
        for offset in data.draw(st.permutations(in_flight))[: data.draw(st.integers(1, 40))]:
            ledger.finish(offset)
            in_flight.remove(offset)
            waiting.add(offset)
        commit = ledger.commit(waiting)
        assert len(commit.metadata) <= limit
        assert commit.watermark >= last[0]
        assert not offset_map.is_of_another_topic(commit.metadata, ID)
        assert all(map(Committed.of(commit.watermark, commit.metadata).covers, commit.covers))
        if data.draw(st.booleans()) or not in_flight:
            ledger.published(commit)
            published += sorted(commit.covers)
            waiting -= commit.covers
            last = (commit.watermark, commit.metadata)
            assert ledger.watermark == commit.watermark
        if data.draw(st.integers(0, 9)) == 0:  # another owner takes over from what was committed
            ledger = Ledger(epoch=2, watermark=last[0], metadata=last[1], limit_chars=limit, topic_id=ID)
            todo = [offset for offset in offsets if offset >= last[0]]
            in_flight, waiting = [], set()
    assert sorted(published) == offsets
    assert ledger.unpublished == 0


def test_committing_an_unfinished_offset_is_refused() -> None:
    """The ledger refuses to commit an unfinished offset and to finish one that is not in flight."""
    ledger = Ledger(epoch=1, watermark=0, metadata=None, limit_chars=LIMIT, topic_id=ID)
    assert ledger.polled(3)
    with pytest.raises(KeyError):
        ledger.commit([3])
    with pytest.raises(KeyError):
        ledger.finish(4)
    ledger.finish(3)
    with pytest.raises(KeyError):
        ledger.finish(3)


def test_a_stuck_order_stops_intake_before_the_map_is_full() -> None:
    """With the first order stuck, intake ends before the bitset would exceed its limit."""
    ledger = Ledger(epoch=1, watermark=0, metadata=None, limit_chars=LIMIT, topic_id=ID)
    offset = 0
    while ledger.has_room():
        assert ledger.polled(offset)
        offset += 1
    for finished in range(1, offset, 2):
        ledger.finish(finished)
    commit = ledger.commit(range(1, offset, 2))
    assert LIMIT - 8 <= len(commit.metadata) <= LIMIT
    assert commit.watermark == 0


@pytest.mark.parametrize(
    "metadata",
    [
        *(
            "3b_w",
            "1x_w",
            "?",
            "1b\u00e9",
            "1r_w",
            "somebody else's note",
            "1b",
            "1r",
            "1b!!!",
            "1b_w\n",
            "1rBQ",
            "1rBQE!",
        ),
        *("2", "2b_w", "2q7Wm4", "2q7Wm4xb", "2q7Wm4xx_w", "2q7Wm4xb!!!", "2q7Wm4xrBQ"),
    ],
)
def test_an_unreadable_offset_map_stops_the_worker(metadata: str) -> None:
    """An unknown version or a damaged map raises; it is never taken for an empty map."""
    with pytest.raises(offset_map.UnknownMapError):
        Ledger(epoch=1, watermark=7, metadata=metadata, limit_chars=LIMIT, topic_id=ID)
