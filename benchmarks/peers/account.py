"""Where every order is, by what a reader of committed records sees. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Each order that is owed is whole, half, lost or stalled; any that is whole or half may be doubled as well."""

    owed: int
    whole: int
    half: int
    """Some of its events are visible, and some are not."""
    lost: int
    """None of its events is visible, and the group has committed past it: nobody will look at it again."""
    stalled: int
    """None of its events is visible, and the group has not committed past it."""
    doubled: int
    """An event of it is visible more than once."""
    strange: int
    """Events visible that nobody owes."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """An order for each thing that went wrong."""

    @property
    def complete(self) -> bool:
        """Whether every event of every order is visible."""
        return self.whole == self.owed

    @property
    def harmed(self) -> int:
        """How many orders are lost, half visible or doubled; stalled ones may yet come."""
        return self.lost + self.half + self.doubled


def settle(owed: Mapping[str, int], seen: Iterable[tuple[str, int]], behind: AbstractSet[str]) -> Account:
    """The account of orders.

    `owed` tells how many events each order has, `seen` is the order and position of each visible event, and `behind`
    are the orders that the group's committed offsets have passed. An order without events is whole by itself.
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
