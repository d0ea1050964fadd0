"""What a group of workers has committed."""

from __future__ import annotations

from journeys.consumer import offset_map
from journeys.tools.commit import Commit


def test_commit_covers_what_is_below_its_watermark_and_in_its_map() -> None:
    """The map is the one that workers write."""
    commit = Commit.of(12, offset_map.encode(12, [14, 15, 18], topic_id=offset_map.NO_ID))
    assert [offset for offset in range(10, 20) if not commit.covers(offset)] == [12, 13, 16, 17, 19]
    assert not Commit.of(12, "").covers(12)
