"""Events as lines of a timeline, and records as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from journeys.tools.event import Event, amount, plain_json

AT = datetime(2026, 11, 25, 10, 0, 0, 7000, UTC)


def test_event_has_time_campaign_page_actions_and_money() -> None:
    """The purchase is more telling than the basket."""
    cart = {"currency": "USD", "total_price": Decimal("150.500000000")}
    value = {
        "event_at": AT,
        "event_campaign": None,
        "event_source": "facebook",
        "event_page_title": "",
        "event_page_url": "https://shop.example/",
        "actions": ["cart_viewed", "checkout_completed"],
        "cart_viewed": cart,
        "checkout_completed": {"currency": None, "total_price": Decimal(129)},
        "position": 3,
    }
    assert Event.of("ads", value) == Event(
        time="2026-11-25T10:00:00.007Z",
        channel="ads",
        campaign="facebook",
        page="https://shop.example/",
        actions=("viewed the basket", "bought"),
        money="129.00",
        position=3,
    )
    assert Event.of("ads", {**value, "checkout_completed": None}).money == "150.50 USD"


def test_event_without_a_time_shows_its_text() -> None:
    """A rejected item has a position alone."""
    assert Event.of("email", {"event_at": None, "event_at_text": "yesterday", "position": 0}).time == "yesterday"
    assert Event.of("rejected", {"raw": "null", "position": 1}).actions == ()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("129.990000000", "129.99"),
        ("7", "7.00"),
        ("0.005", "0.005"),
        ("1E+3", "1000.00"),
        ("-3.5", "-3.50"),
        ("12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789"),
    ],
)
def test_amount_keeps_all_its_digits(number: str, text: str) -> None:
    """Only needless zeros go, also from the 38 digits that a decimal of the schemas may have."""
    assert amount(Decimal(number)) == text


def test_record_becomes_plain_json() -> None:
    """Amounts are texts: a number of JSON may lose digits."""
    value = {"at": AT, "total": Decimal("0.1"), "products": [{"price": Decimal(1)}, None], "n": 1, "raw": b"\x01"}
    assert plain_json(value) == {
        "at": "2026-11-25T10:00:00.007Z",
        "total": "0.10",
        "products": [{"price": "1.00"}, None],
        "n": 1,
        "raw": "01",
    }
