"""The matrix: every fault that the stand-in can make, when it strikes, and where docs/failures.md says the order ends.

    always     at every request of the order
    first      at its first requests, then no more
    page       wherever its page 2 is asked for, nowhere else
    outage     always, and while the API is down for all other orders too; then it comes back

Faults of one group are played in one *round*, with good orders around them: a cell is one fault of a round. Groups are
small: the failing orders of one are too few to be taken for an outage of the API.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tests.broker.places import Found, Place

When: TypeAlias = Literal["always", "first", "page", "outage"]
Ends: TypeAlias = Literal["again", "later", "refused", "singled-out", "fine", "changed", "for-good"]
"""What a fault comes to: the verdicts of docs/failures.md, an account's that is about one order only, and journeys that
are published as they are (`fine`), or as the API sends them while it contradicts itself (`changed`)."""

WHENS: Final[tuple[When, ...]] = ("always", "first", "page", "outage")
CODES: Final = '{"4001": "auth", "4002": "pace", "4003": "passing", "4004": "absent", "4005": "order"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault as an order id spells it, what it comes to, and the reason that says so."""

    word: str
    ends: Ends
    reason: str = ""
    times: int = 3
    """How often `first` is: more than the quick tries of one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Faults that are played together. `outage` is what all others meet meanwhile, `shut` what the worker then logs."""

    name: str
    faults: tuple[Fault, ...]
    outage: str = "503"
    shut: str = "api.failing"
    is_account: bool = False
    """It is about the account, so an order is singled out only while others are answered: good ones keep coming."""


def _again(*reasons: tuple[str, str]) -> tuple[Fault, ...]:
    return tuple(Fault(word=word, ends="again", reason=reason) for word, reason in reasons)


GROUPS: Final = (
    Group(
        name="answers",
        faults=_again(
            ("500", "status-500"),
            ("503", "status-503"),
            ("408", "status-408"),
            ("302", "status-302"),
            ("html", "not-json"),
            ("text", "not-json"),
            ("truncated", "disconnected"),
            ("hangup", "disconnected"),
            ("reset", "disconnected"),
        ),
    ),
    Group(
        name="bodies",
        faults=_again(
            ("noevents", "no-events"),
            ("wrongtypes", "wrong-types"),
            ("wrongorder", "wrong-order"),
            ("wrongpage", "wrong-page"),
            ("silent", "timeout"),
            ("slow3000", "timeout"),
            ("code2", "code-2"),
            ("code4003", "code-4003"),
        ),
    ),
    Group(
        name="orders",
        faults=(
            Fault(word="400", ends="refused", reason="status-400"),
            Fault(word="422", ends="refused", reason="status-422"),
            Fault(word="code4005", ends="refused", reason="code-4005"),
            Fault(word="n1001", ends="for-good", reason="journey-too-large"),
            Fault(word="404", ends="later", reason="journey-unsettled", times=1),
            Fault(word="code4004", ends="later", reason="journey-unsettled", times=1),
            Fault(word="nodata", ends="later", reason="no-data", times=1),
            Fault(word="n0", ends="for-good"),
        ),
    ),
    Group(
        name="journeys",
        faults=(
            Fault(word="slow200", ends="fine"),
            Fault(word="cap7", ends="fine"),
            Fault(word="repeat1", ends="fine"),
            Fault(word="grow3", ends="changed", times=1),
            Fault(word="shrink2", ends="changed", times=1),
            Fault(word="restless", ends="changed"),
            Fault(word="revise1", ends="changed"),
            Fault(word="nullevent", ends="for-good"),
            Fault(word="textevent", ends="for-good"),
            Fault(word="odd", ends="for-good"),
        ),
    ),
    Group(
        name="pace",
        faults=(
            Fault(word="429", ends="singled-out", reason="status-429"),
            Fault(word="429s1", ends="singled-out", reason="status-429"),
            Fault(word="429d1", ends="singled-out", reason="status-429"),
            Fault(word="code4002", ends="singled-out", reason="code-4002"),
        ),
        outage="429s1",
        shut="api.paused",
        is_account=True,
    ),
    Group(
        name="auth",
        faults=(
            Fault(word="401", ends="singled-out", reason="status-401"),
            Fault(word="403", ends="singled-out", reason="status-403"),
            Fault(word="code4001", ends="singled-out", reason="code-4001"),
        ),
        outage="401",
        shut="api.unauthorized",
        is_account=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One combination of a group of faults, their moment, and a SIGKILL or none."""

    group: Group
    when: When
    kill: bool

    @property
    def faults(self) -> list[Fault]:
        """Those of the group that can be so: what is part of the journey itself is neither passing nor on a page."""
        return [fault for fault in self.group.faults if fault.ends != "for-good" or self.when in ("always", "outage")]

    @property
    def name(self) -> str:
        """As in the names of the tests."""
        return f"{self.group.name}-{self.when}-{'kill' if self.kill else 'live'}"

    def orders(self, fault: Fault) -> list[str]:
        """The orders that bear a fault."""
        count = 1 if self.group.is_account else 2
        return [f"{_prefix(fault, self.when)}-{number}" for number in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault of a round."""

    round: Round
    fault: Fault

    @property
    def name(self) -> str:
        """As in the names of the tests."""
        return f"{self.round.name}-{self.fault.word}"

    @property
    def orders(self) -> list[str]:
        """The orders that bear the fault."""
        return self.round.orders(self.fault)

    def ends(self, last_tier: str) -> list[Found]:
        """The places that its orders may end in; `last_tier` is the topic of the one that no order leaves."""
        fault, when = self.fault, self.round.when
        published = Found(place=Place.PUBLISHED)
        dead = Found(place=Place.DEAD_LETTER, reason=fault.reason)
        waits = Found(place=Place.RETRY, topic=last_tier, reason=fault.reason)
        match fault.ends:
            case "again" | "singled-out":
                return [published] if when == "first" else [waits]
            case "later":
                # On page 2 it is no absent journey: page 1 spoke of events.
                return [{"first": published, "page": waits}.get(when, Found(place=Place.EMPTY))]
            case "refused":
                # A worker that was killed before it could tell of the refusal leaves nothing of it behind.
                return [dead, published] if when == "first" and self.round.kill else [dead]
            case "for-good":
                return [_FOR_GOOD.get(fault.word, dead)]
            case _:
                return [published]

    @property
    def is_exact(self) -> bool:
        """Whether what is published must be the API's journey, field by field."""
        if self.fault.word == "cap7":  # one page of another size is a contradiction
            return self.round.when != "page"
        if self.fault.word in ("grow3", "shrink2"):  # by itself it holds once: the journey is read again
            return self.round.when in ("first", "page")
        return self.fault.ends != "changed" or self.round.when == "first"


_FOR_GOOD: Final = {
    "n0": Found(place=Place.EMPTY),
    "nullevent": Found(place=Place.IN_PART),
    "textevent": Found(place=Place.IN_PART),
    "odd": Found(place=Place.PUBLISHED),
}


def _prefix(fault: Fault, when: When) -> str:
    word = fault.word
    if word in ("n0", "n1001"):
        return word
    if when == "first":
        return f"x-{word}x{fault.times}-n150"
    if when == "page":
        return f"x-{word}p2-n150"
    for_ever = "x9999" if word in ("grow3", "shrink2") else ""
    return f"x-{word}{for_ever}-n{150 if fault.ends in ('fine', 'changed') else 5}"


def rounds() -> Iterator[Round]:
    """All of them."""
    for group in GROUPS:
        for when in WHENS:
            for kill in (False, True):
                yield Round(group=group, when=when, kill=kill)


def cells() -> Iterator[Cell]:
    """All of them, those of a round together."""
    for each in rounds():
        for fault in each.faults:
            yield Cell(round=each, fault=fault)
