"""The models of the attribution example: published examples, and sums that are exact."""

from __future__ import annotations

import random
from decimal import Decimal

import duckdb
import pytest
from tests.downstream.attribution.journeys import by_channel, credits_of, journey, put, shown

from attribution.database import MODELS, Settings, change_settings

FIVE_TOUCHES = [("social-media", 0), ("organic-search", 5), ("social-media", 12), ("ads", 30), ("direct", 38)]


def test_linear_position_based_and_time_decay_share_12000_over_five_touches(
    database: duckdb.DuckDBPyConnection,
) -> None:
    """Five touches in 38 days, with direct kept, share 12,000 as in textbooks."""
    change_settings(database, Settings(window_days=38, credit_direct=True))
    put(database, journey("1", FIVE_TOUCHES, "12000"))
    found = credits_of(database)
    assert found["linear"] == {"1": [2400] * 5}
    assert found["position-based"] == {"1": [4800, 800, 800, 800, 4800]}
    assert [round(credit) for credit in found["time decay"]["1"]] == [175, 287, 575, 3417, 7545]
    channels = by_channel(database)
    assert channels["first"] == {"social-media": 12000}
    assert channels["last"] == {"direct": 12000}
    assert channels["last non-direct"] == {"ads": 12000}


def test_time_decay_halves_the_weight_each_seven_days(database: duckdb.DuckDBPyConnection) -> None:
    """Six touches, 30 to 0 days before the order, share 200."""
    channels = ("ads", "email", "ads", "email", "ads", "email")
    put(database, journey("1", list(zip(channels, (0, 6, 12, 18, 24, 30), strict=True)), "200"))
    decayed = credits_of(database)["time decay"]["1"]
    assert shown(decayed) == ["4.73", "8.56", "15.51", "28.10", "50.90", "92.20"]


def test_direct_gets_credit_if_the_settings_say_so(database: duckdb.DuckDBPyConnection) -> None:
    """Direct > organic > direct share 140; without the setting, organic takes all. Direct alone takes all."""
    put(database, journey("1", [("direct", 0), ("organic-search", 1), ("direct", 2)], "140.00"))
    assert by_channel(database) == {model: {"organic-search": 140} for model in MODELS}
    change_settings(database, Settings(credit_direct=True))
    found = credits_of(database)
    assert shown(found["linear"]["1"]) == ["46.67"] * 3
    assert found["position-based"] == {"1": [56, 28, 56]}
    assert by_channel(database)["last non-direct"] == {"organic-search": 140}
    change_settings(database, Settings())
    put(database, journey("2", [("direct", 0), ("direct", 1)], "10"))
    assert by_channel(database) == {model: {"organic-search": 140, "direct": 10} for model in MODELS}


def test_four_orders_give_each_channel_its_sum_under_each_model(database: duckdb.DuckDBPyConnection) -> None:
    """Four orders with a revenue of 500 in all, under the models that need no times."""
    for number, (channels, revenue) in enumerate(
        [
            (("organic-search", "social-media", "ads"), "100"),
            (("ads", "email"), "200"),
            (("social-media", "organic-search", "social-media", "ads"), "150"),
            (("email",), "50"),
        ]
    ):
        put(database, journey(str(number), [(channel, day) for day, channel in enumerate(channels)], revenue))
    found = {
        model: {channel: f"{revenue:.2f}".removesuffix(".00") for channel, revenue in channels.items()}
        for model, channels in by_channel(database).items()
        if model in {"first", "last", "linear", "position-based"}
    }
    assert found == {
        "first": {"ads": "200", "email": "50", "organic-search": "100", "social-media": "150"},
        "last": {"ads": "250", "email": "250"},
        "linear": {"ads": "170.83", "email": "150", "organic-search": "70.83", "social-media": "108.33"},
        "position-based": {"ads": "200", "email": "150", "organic-search": "55", "social-media": "95"},
    }
    assert by_channel(database, "orders")["linear"]["email"] == Decimal("1.5")


def test_the_remainder_goes_to_the_later_touch_of_the_largest_weight(database: duckdb.DuckDBPyConnection) -> None:
    """A third of 100 has no end. Of equal weights the last touch takes what is left over."""
    put(database, journey("1", [("ads", 0), ("email", 1), ("referral", 2)], "100"))
    third = Decimal("33.333333333")
    assert credits_of(database)["linear"] == {"1": [third, third, Decimal("33.333333334")]}
    orders = "select orders from credits where model = 'linear' order by touch"
    assert [f"{share}" for (share,) in database.execute(orders).fetchall()][2] == "0.333333334"


@pytest.mark.parametrize("credit_direct", [False, True])
def test_credits_sum_to_the_revenue_exactly(database: duckdb.DuckDBPyConnection, *, credit_direct: bool) -> None:
    """Under each model, the credits of 500 random orders sum to the revenue to the last digit, and the shares to 1."""
    change_settings(database, Settings(credit_direct=credit_direct))
    chance = random.Random(7)
    revenues = {}
    journeys = []
    for number in range(500):
        revenue = Decimal(chance.choice([0, -5, 1, 7, 10**9, 10**15]) * chance.randrange(1, 1000)).scaleb(
            -chance.randrange(10)
        )
        days = sorted(chance.randrange(40) for _ in range(chance.randrange(1, 15)))
        events = [(chance.choice(["ads", "direct", "email"]), day) for day in days]
        revenues[str(number)] = revenue
        journeys.append(journey(str(number), events, f"{revenue:f}"))
    put(database, *journeys)
    query = "select model, order_id, sum(revenue), sum(orders) from credits group by model, order_id"
    found = {(model, order): sums for model, order, *sums in database.execute(query).fetchall()}
    assert found == {(model, order): [revenue, 1] for model in MODELS for order, revenue in revenues.items()}


def test_an_event_without_a_time_makes_time_decay_linear(database: duckdb.DuckDBPyConnection) -> None:
    """The API's order counts then, the window cuts only events with a time, and `coverage` counts the order."""
    put(database, journey("1", [("email", 20), ("ads", None), ("referral", 10)], "90"))
    assert credits_of(database)["time decay"] == {"1": [30, 30, 30]}
    assert by_channel(database)["first"] == {"email": 90}
    assert database.execute("select without_times from coverage").fetchall() == [(1,)]
    put(database, journey("2", [("email", 0), ("ads", 31), ("referral", None)], "90"))
    put(database, journey("3", [("email", 0), ("ads", None), ("referral", 31)], "80"))
    assert credits_of(database)["time decay"] == {"1": [30] * 3, "2": [30] * 3, "3": [40] * 2}
