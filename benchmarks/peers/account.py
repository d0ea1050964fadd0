"""Accounts for every order, from the records that a read_committed consumer sees. Sans-I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The number of orders in each state. An order is whole, half, lost or stalled; it may be doubled too."""

    owed: int
    whole: int
    half: int
    """Orders with some visible events and some missing ones."""
    lost: int
    """Orders without a visible event that the group has committed past: no worker will read them again."""
    stalled: int
    """Orders without a visible event that the group has not committed past."""
    doubled: int
    """Orders with an event that is visible more than once."""
    strange: int
    """Visible events that belong to no order or position."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """State → the id of one order in it, for the bad states."""

    @property
    def complete(self) -> bool:
        """Whether every event of every order is visible."""
        return self.whole == self.owed

    @property
    def harmed(self) -> int:
        """The number of lost, half and doubled orders. Stalled ones may still be published."""
        return self.lost + self.half + self.doubled


def settle(owed: Mapping[str, int], seen: Iterable[tuple[str, int]], behind: AbstractSet[str]) -> Account:
    """The account of these orders.

    `owed`: order id → number of events. `seen`: (order id, position) of each visible event. `behind`: the orders that
    the group has committed past. An order without events counts as whole.
    """
    visible = Counter(seen)
    positions: dict[str, set[int]] = {order: set() for order in owed}
    doubled: set[str] = set()
    strange = 0
    for (order, position), times in visible.items():
        if order not in owed or not 0 <= position < owed[order]:
            strange += times
            continue
        positions[order].add(position)
        if times > 1:
            doubled.add(order)
    found: dict[str, list[str]] = {"whole": [], "half": [], "lost": [], "stalled": [], "doubled": sorted(doubled)}
    for order, count in owed.items():
        found[_state(count, len(positions[order]), order in behind)].append(order)
    return Account(
        owed=len(owed),
        strange=strange,
        examples={state: orders[0] for state, orders in found.items() if orders and state != "whole"},
        **{state: len(orders) for state, orders in found.items()},
    )


def _state(count: int, visible: int, behind: bool) -> str:
    if visible == count:
        return "whole"
    if visible:
        return "half"
    return "lost" if behind else "stalled"
