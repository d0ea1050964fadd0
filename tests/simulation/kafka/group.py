"""A consumer group's coordinator: members, generations, and who is to have what.

Two protocols. In the classic one everybody rejoins, then everybody gets a new generation and an assignment at once; a
partition that moves is first taken from its owner, who rejoins without it. In the new one (KIP-848) each member is
reconciled by itself, and has an epoch of its own. Either way the target is balanced with as few moves as can be, or
shuffled, which is what an eager rebalance looks like from here: everybody loses nearly everything.

A member that is silent for its session, or keeps a rebalance waiting for too long, is put out; it learns so later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, Protocol, TypeAlias

from confluent_kafka import KafkaError
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.log import Committed, Place, Transaction
from tests.simulation.scheduler import Scheduler

Kind: TypeAlias = Literal["classic", "consumer"]
"""A group's protocol, by its name in `group.protocol`."""


class Client(Protocol):
    """A consumer, as its group sees it."""

    link: Link
    topics: tuple[str, ...]
    kind: Kind
    session: float
    patience: float
    """How long a rebalance waits for it."""

    def rebalance(self, member_id: str) -> None:
        """Rejoin, as soon as nothing else is to be served."""

    def assign(self, member_id: str, generation: int, places: frozenset[Place]) -> None:
        """All that is yours in this generation."""

    def revoke(self, member_id: str, places: frozenset[Place]) -> None:
        """Give these back, and say so."""

    def put_out(self, member_id: str) -> None:
        """You are no member any more."""


@dataclass(slots=True)
class _Member:
    id: str
    client: Client
    generation: int = 0
    owned: frozenset[Place] = frozenset()
    rejoined: bool = True
    revoking: frozenset[Place] = frozenset()


@dataclass
class Group:
    """One group. `partitions` lists those of topics."""

    scheduler: Scheduler
    random: Callable[[], float]
    partitions: Callable[[Iterable[str]], list[Place]]
    offsets: dict[Place, Committed] = field(default_factory=dict)
    pending: dict[Place, set[Transaction]] = field(default_factory=lambda: defaultdict(set))
    generation: int = 0
    shuffles: float = 0.0
    """How likely a rebalance shuffles everything."""
    refusal: KafkaError | None = None
    """The answer to new members while they are refused."""
    _members: dict[str, _Member] = field(default_factory=dict)
    _target: dict[Place, str] = field(default_factory=dict)
    _rounds: count[int] = field(default_factory=count)
    _round: int | None = None
    _ids: count[int] = field(default_factory=lambda: count(1))

    # -- offsets

    def take(self, place: Place, offset: Committed) -> None:
        """An offset takes effect; the one written last wins."""
        known = self.offsets.get(place)
        if known is None or known.written < offset.written:
            self.offsets[place] = offset

    def refuses(self, member_id: str, generation: int) -> int | None:
        """Why this member may not commit; None if it may. Who owns what is never asked.

        A stranger without an id may always, one with an id while the group is empty.
        """
        if generation < 0 and not (member_id and self._members):
            return None
        member = self._members.get(member_id)
        if member is None:
            return KafkaError.UNKNOWN_MEMBER_ID
        return None if member.generation == generation else KafkaError.ILLEGAL_GENERATION

    # -- members

    def join(self, client: Client) -> str:
        """A new member."""
        member = _Member(f"member-{next(self._ids)}", client)
        self._members[member.id] = member
        self._watch(member)
        self._change()
        return member.id

    def rejoin(self, member_id: str, owned: frozenset[Place]) -> bool:
        """A member takes part in the round, with what it owns. False for one that is no member."""
        member = self._members.get(member_id)
        if member is None:
            return False
        member.owned, member.rejoined = owned, True
        if self._round is None:
            self._prepare(rejoined=member)
        self._complete_if_ready()
        return True

    def released(self, member_id: str, places: frozenset[Place]) -> None:
        """A member has given these back (KIP-848)."""
        member = self._members.get(member_id)
        if member is not None:
            member.owned -= places
            member.revoking = frozenset()
            self._reconcile()

    def leave(self, member_id: str | None) -> None:
        """A member goes by itself."""
        if member_id is not None and self._members.pop(member_id, None) is not None:
            self._change()

    def rebalance(self) -> None:
        """As when the number of partitions changes: everything is looked at again."""
        if self._members:
            self._change(shuffle=True)

    def throw_out(self, client: Client) -> None:
        """As a coordinator does that has lost sight of a member: it may come back at once."""
        for member in [member for member in self._members.values() if member.client is client]:
            self._put_out(member)

    def _put_out(self, member: _Member) -> None:
        if self._members.get(member.id) is member:
            del self._members[member.id]
            member.client.link.deliver(lambda: member.client.put_out(member.id), member.client.link.heartbeat)
            self._change()

    def _watch(self, member: _Member) -> None:
        """Put it out once it was silent for its session."""

        def look() -> None:
            if self._members.get(member.id) is not member:
                return
            end = member.client.link.silent_since() + member.client.session
            if end <= self.scheduler.now:
                self._put_out(member)
            else:
                self.scheduler.at(end, look)

        self.scheduler.after(member.client.session, look)

    # -- who is to have what

    def _change(self, *, shuffle: bool = False) -> None:
        self._aim(shuffle=shuffle or self.random() < self.shuffles)
        if any(member.client.kind == "consumer" for member in self._members.values()):
            self.generation += 1
            self._reconcile()
        else:
            self._prepare(rejoined=None)
            self._complete_if_ready()

    def _aim(self, *, shuffle: bool) -> None:
        """The owner that each partition should have, once the members have given back those that move."""
        members = list(self._members)
        if not members:
            self._target = {}
            return
        places = self.partitions(next(iter(self._members.values())).client.topics)
        share = -(-len(places) // len(members))
        kept: dict[Place, str] = {}
        room = dict.fromkeys(members, share)
        for place in () if shuffle else places:
            owner = self._target.get(place)
            if owner in room and room[owner] > 0:
                kept[place] = owner
                room[owner] -= 1
        for place in places:
            if place not in kept:
                most = max(room.values())
                free = [member for member in members if room[member] == most]
                kept[place] = free[int(self.random() * len(free))]
                room[kept[place]] -= 1
        self._target = kept

    def _aimed(self, member: _Member) -> frozenset[Place]:
        return frozenset(place for place, owner in self._target.items() if owner == member.id)

    # -- the classic protocol: rounds

    def _prepare(self, *, rejoined: _Member | None) -> None:
        if self._round is not None:
            return
        self._round = number = next(self._rounds)
        for member in self._members.values():
            if member is not rejoined and member.generation:  # a new one is in the round already
                member.rejoined = False
                self._notify(member)
        patience = max((member.client.patience for member in self._members.values()), default=0.0)
        self.scheduler.after(patience, lambda: self._round_is_over(number))

    def _round_is_over(self, number: int) -> None:
        if self._round == number:
            for member in [member for member in self._members.values() if not member.rejoined]:
                self._put_out(member)

    def _complete_if_ready(self) -> None:
        members = self._members.values()
        if self._round is None or not all(member.rejoined for member in members):
            return
        self._round = None
        self.generation += 1
        owners = {place: member.id for member in members for place in member.owned}
        for member in members:
            aimed = self._aimed(member)
            places = frozenset(place for place in aimed if owners.get(place, member.id) == member.id)
            member.generation = generation = self.generation
            self._send(member, generation, places)

    def _send(self, member: _Member, generation: int, places: frozenset[Place]) -> None:
        member.client.link.deliver(lambda: member.client.assign(member.id, generation, places), 0.1)

    def _notify(self, member: _Member) -> None:
        member.client.link.deliver(lambda: member.client.rebalance(member.id), member.client.link.heartbeat)

    # -- the new protocol: each by itself

    def _reconcile(self) -> None:
        owners = {place: member.id for member in self._members.values() for place in member.owned}
        for member in self._members.values():
            if member.revoking:  # whatever it is to have now: it says first that it has given these back
                continue
            aimed = self._aimed(member)
            if leaving := member.owned - aimed:
                self._take_back(member, leaving)
                continue
            places = frozenset(place for place in aimed if owners.get(place, member.id) == member.id)
            if places != member.owned or member.generation != self.generation:
                member.owned, member.generation = places, self.generation
                owners.update(dict.fromkeys(places, member.id))
                generation = self.generation
                self._send(member, generation, places)

    def _take_back(self, member: _Member, leaving: frozenset[Place]) -> None:
        member.revoking = leaving
        member.client.link.deliver(lambda: member.client.revoke(member.id, leaving), member.client.link.heartbeat)

        def late() -> None:
            if member.revoking == leaving:
                self._put_out(member)

        self.scheduler.after(member.client.patience, late)
