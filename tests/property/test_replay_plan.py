"""Replays one after another, with any filters and batch sizes, killed at any moment, against a model."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from journeys.dead_letters.letters import ReplayedOffsets, State
from journeys.dead_letters.plan import MapFullError, PartitionReplay

gaps = st.lists(st.integers(1, 5), min_size=1, max_size=80)
offsets_of = gaps.map(lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))])


@given(offsets_of, st.data())
def test_each_letter_is_replayed_once(offsets: list[int], data: st.DataObject) -> None:
    """The committed marks are exactly the letters sent."""
    replayed = ReplayedOffsets(watermark=offsets[0])
    sent: Counter[int] = Counter()
    for _ in range(data.draw(st.integers(1, 5))):
        chosen = data.draw(st.sets(st.sampled_from(offsets)))
        size = data.draw(st.integers(1, 10))
        batches = data.draw(st.integers(0, 20))  # then the replay is killed
        replay = PartitionReplay(0, replayed.ledger(limit_chars=data.draw(st.sampled_from([12, 4000]))), chosen)
        batch: list[int] = []
        readable = [offset for offset in offsets if offset >= replayed.watermark]
        try:
            for offset in readable:
                if replay.take(offset):
                    batch.append(offset)
                if batch and (len(batch) == size or offset == readable[-1]) and batches:
                    commit = replay.commit()
                    replay.sent(commit)
                    sent.update(batch)
                    replayed = ReplayedOffsets.of(commit.watermark, commit.metadata)
                    batch, batches = [], batches - 1
        except MapFullError:
            pass
        assert {offset for offset in offsets if replayed.state(offset, None) is State.REPLAYED} == set(sent)
    assert set(sent.values()) <= {1}
