"""The model of a group's coordinator, where its members are slow to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.kafka.group import Group
from tests.simulation.kafka.log import Place
from tests.simulation.scheduler import Scheduler

BOTH = [("orders", 0), ("orders", 1)]


class Client:
    """A broker that acts at once; the test says when its answers arrive."""

    topics = ("orders",)
    kind = "consumer"
    session = patience = heartbeat = 60.0

    def __init__(self) -> None:
        self.link = self
        self.owned: frozenset[Place] = frozenset()
        self.given_back: frozenset[Place] = frozenset()

    def deliver(self, call: Callable[[], object], _within: float) -> None:
        """At once."""
        call()

    def silent_since(self) -> float:
        """Never."""
        return 0.0

    def put_out(self, _member_id: str) -> None:
        """Does not happen."""

    def assign(self, _member_id: str, _generation: int, places: frozenset[Place]) -> None:
        """All that is to be its own: what is no more of that, it still has for now."""
        self.owned |= places

    def revoke(self, _member_id: str, places: frozenset[Place]) -> None:
        """The partitions that it gives back."""
        self.owned -= places
        self.given_back = places


def test_a_revoked_partition_has_one_owner_until_its_return_arrives() -> None:
    """Its owner is not to have it again before that has arrived (seed 3495: the answer then took it from its owner)."""
    group = Group(scheduler=Scheduler(), random=lambda: 0.0, partitions=lambda _: BOTH)
    first, second, third = (Client() for _ in range(3))
    join: Callable[[Any], str] = group.join
    member = join(first)
    leaver = join(second)
    assert (len(first.owned), len(first.given_back), second.owned) == (1, 1, frozenset())
    group.leave(leaver)
    join(third)
    group.released(member, first.given_back)
    assert first.owned.isdisjoint(third.owned)
    assert first.owned | third.owned == set(BOTH)
