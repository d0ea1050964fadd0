"""Which orders take too long."""

from __future__ import annotations

from journeys.fetcher.progress import OpenOrder
from journeys.model import Position
from journeys.ops.slow import SlowOrders


def order(offset: int, busy_s: float, last_failure: str | None = None) -> OpenOrder:
    """An order of the API's, busy for this long."""
    position = Position(topic="orders", partition=0, offset=offset)
    return OpenOrder(order_id=f"A-{offset}", position=position, busy_s=busy_s, tries=3, last_failure=last_failure)


def test_slow_order_is_new_once() -> None:
    """It stays slow until it ends; an order of the same position may be slow again after that."""
    orders = SlowOrders(30.0)
    assert orders.look([order(1, 29.9)]) == ([], None)
    new, why = orders.look([order(1, 30.0), order(2, 1.0)])
    assert (new, why) == ([order(1, 30.0)], "order A-1 (orders/0/1) takes 30 s, tries: 3, no try failed")
    assert orders.look([order(1, 31.0)])[0] == []
    assert orders.look([]) == ([], None)
    assert orders.look([order(1, 30.0)])[0] == [order(1, 30.0)]


def test_slowest_order_is_named_with_its_last_failure() -> None:
    """The others are counted."""
    _, why = SlowOrders(30.0).look([order(1, 31.0), order(2, 45.0, "timeout (no answer)"), order(3, 32.0)])
    assert why == "order A-2 (orders/0/2) takes 45 s, tries: 3, the last failure: timeout (no answer); 2 more"
