"""The topics that may take no records are named by their worst partition."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from journeys.producer.replicas import shortage


@dataclass
class Part:
    """A partition in the metadata of a cluster: broker 1 leads it, of the three that have a replica."""

    id: int
    isrs: list[int]
    leader: int = 1
    replicas: list[int] = field(default_factory=lambda: [1, 2, 3])


WHOLE = Part(0, [3, 1, 2])


@pytest.mark.parametrize(
    ("partitions", "said"),
    [
        ([], None),
        ([WHOLE, Part(1, [1, 2, 3])], None),
        ([WHOLE, Part(1, [1, 2]), Part(2, [1]), Part(3, [1])], "journey.ads/2 has 1 of 3 replicas in sync"),
        ([Part(0, [1]), Part(1, [2, 3], leader=-1)], "journey.ads/1 has no leader"),
    ],
)
def test_worst_partition_of_a_topic_is_named(partitions: list[Part], said: str | None) -> None:
    """A partition without a leader is worse than one with few replicas in sync; of equals, the first is named."""
    assert shortage("journey.ads", partitions) == said
