"""Replays one after another, with any filters, any batches and a cut at any moment, against a model."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from journeys.dead_letters.letters import Marks, State
from journeys.dead_letters.plan import Lane, MapFullError

gaps = st.lists(st.integers(1, 5), min_size=1, max_size=80)
offsets_of = gaps.map(lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))])


@given(offsets_of, st.data())
def test_each_dead_letter_is_replayed_once(offsets: list[int], data: st.DataObject) -> None:
    """Any selection, batch size and interruption: the marked dead letters are exactly the replayed ones."""
    marks = Marks(watermark=offsets[0])
    sent: Counter[int] = Counter()
    for _ in range(data.draw(st.integers(1, 5))):
        chosen = data.draw(st.sets(st.sampled_from(offsets)))
        size = data.draw(st.integers(1, 10))
        batches = data.draw(st.integers(0, 20))  # then it is cut off
        lane = Lane(0, marks.ledger(limit=data.draw(st.sampled_from([12, 4000]))), chosen)
        batch: list[int] = []
        readable = [offset for offset in offsets if offset >= marks.watermark]
        try:
            for offset in readable:
                if lane.takes(offset):
                    batch.append(offset)
                if batch and (len(batch) == size or offset == readable[-1]) and batches:
                    commit = lane.commit()
                    lane.sent(commit)
                    sent.update(batch)
                    marks = Marks.committed(commit.watermark, commit.metadata)
                    batch, batches = [], batches - 1
        except MapFullError:
            pass
        assert {offset for offset in offsets if marks.state(offset, None) is State.REPLAYED} == set(sent)
    assert set(sent.values()) <= {1}
