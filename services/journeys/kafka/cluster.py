"""A cluster as it describes itself: brokers, topics, groups, offsets. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONSUMER_GROUP_HEARTBEAT: Final = 68
"""The key of the API that the group protocol `consumer` needs (KIP-848)."""

_PRODUCE: Final = 0
_FETCH: Final = 1
_LIST_OFFSETS: Final = 2
_JOIN_GROUP: Final = 11
_LIST_GROUPS: Final = 16
_ADD_PARTITIONS_TO_TXN: Final = 24
_DESCRIBE_ACLS: Final = 29

RELEASES: Final = (
    ((4, 1), _PRODUCE, 13),
    ((4, 0), _PRODUCE, 12),
    ((3, 9), _FETCH, 17),
    ((3, 8), _PRODUCE, 11),
    ((3, 7), _FETCH, 16),
    ((3, 6), _ADD_PARTITIONS_TO_TXN, 4),
    ((3, 5), _FETCH, 15),
    ((3, 3), _DESCRIBE_ACLS, 3),
    ((3, 2), _JOIN_GROUP, 9),
    ((3, 1), _FETCH, 13),
    ((3, 0), _LIST_OFFSETS, 7),
    ((2, 8), _PRODUCE, 9),
    ((2, 7), _FETCH, 12),
    ((2, 6), _LIST_GROUPS, 4),
    ((2, 5), _JOIN_GROUP, 7),
)
"""Release, API key, and the version of that API that came with the release. The newest release is first.

A broker does not name its release. Other clients infer it in the same way (kafka-python, `conn.py`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The state of a topic's partitions."""

    partitions: int
    replicas: int
    """Copies of the partition that has the fewest."""
    in_sync: int
    """In-sync copies of the partition that has the fewest."""
    leaderless: int
    """Partitions without a leader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The brokers, and the topics that this client may see."""

    brokers: int
    apis: Mapping[int, int]
    """API key → its newest version, of the broker that answered. Empty if it is not known."""
    topics: Mapping[str, Topic]

    @property
    def release(self) -> tuple[int, int] | None:
        """The newest release of Apache Kafka whose protocol the broker speaks. None if older than 2.5, or unknown."""
        return next((release for release, key, version in RELEASES if self.apis.get(key, -1) >= version), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a consumer group."""

    client_id: str
    instance_id: str | None
    """Its `group.instance.id`, if it is a static member."""
    host: str
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A consumer group."""

    protocol: str
    """`CLASSIC`, `CONSUMER` or `UNKNOWN`."""
    assignor: str
    """Empty without members."""
    members: tuple[Member, ...]
    operations: frozenset[str] | None
    """The operations that this client may perform, in capitals. None if the broker does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """The offsets of one partition, and what a group has committed there."""

    begin: int
    end: int
    """The offset after the last committed record."""
    committed: int | None
    """None if the group has committed nothing."""
    metadata: str
    topic_id: str
    """The id of the topic as Kafka writes it; `offset_map.NO_ID` without one."""
