"""Values that other systems write for numbers, times and empty things, on a real broker: each is right or a misfit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.broker.shop import open_shop

from journeys_sandbox.stack.stack import Stack


@pytest.mark.parametrize("native", ["true", "false"], ids=["c", "python"])
def test_values_are_exact_or_misfits(stack: Stack, namespace: str, native: str) -> None:
    """Read back through the registry: money, long ids, times, null products and PHP's empty things."""
    orders = ["x-values-n1-a", "x-zeros-n1-a"]
    with open_shop(stack, namespace, environment={"JOURNEYS_PUBLISH__NATIVE": native}) as shop:
        shop.place(*orders)
        worker = shop.crew.hire()
        shop.until_published(len(orders))
        assert worker.stop() == 0
        shop.audit(orders)
        [values], [zeros] = (shop.events()[order] for order in orders)
        event, without = (shop.decoder.decode(record.value or b"") for record in (values, zeros))
    assert values.header("event_id") == "120210000000123457"
    _check_values(event)
    assert (without["event_at"], without["event_at_text"]) == (None, "0000-00-00 00:00:00")
    assert (without["products"], without["actions"]) == ([], ["cart_viewed"])
    assert without["misfits"] == ["/event_at", "/cart_viewed/total_price", "/cart_viewed/total_quantity"]
    assert without["extra"]["/cart_viewed/total_price"] == "1e1000000"


def _check_values(event: dict[str, Any]) -> None:
    assert event["event_at"] == datetime(2023, 3, 29, 8, 26, 42, tzinfo=UTC)
    ids = [event["ad"][name] for name in ("account_id", "campaign_id", "ad_id")]
    assert ids == ["1", "120210000000123457", "120210000000123458"]
    first, second, third = event["products"]
    assert first == third == dict.fromkeys(second)
    assert (second["price"], second["shop_currency_price"], second["quantity"]) == (Decimal("129.99"),) * 2 + (2,)
    checkout = event["checkout_completed"]
    assert checkout["total_price"] == Decimal("129.99")
    assert checkout["shop_currency_total_price"] == Decimal(9007199254740993)
    assert (event["cart_viewed"], event["actions"]) == (None, ["products", "checkout_completed"])
    assert event["misfits"] == ["/products/0", "/products/2"]
    assert event["extra"] == {
        "/score": "12345678901234567.123456789",
        "/products/0": "null",
        "/products/2": "7",
        "/checkout_completed/total_price": "129.99000000000001",
    }
