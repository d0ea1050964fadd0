"""The views of the attribution example: editions, completeness, touches, money and costs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.downstream.attribution.journeys import START_MS, by_channel, encoded, journey, put

from attribution.database import MODELS, Settings, change_settings, replace_spend
from attribution.results import Result, channel_sections

MINUTE = 1 / 1440
"""In days."""


def rows(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return database.execute(query).fetchall()


def test_the_newest_edition_replaces_the_older_ones_whole(database: duckdb.DuckDBPyConnection) -> None:
    """It is the greatest (fetched_at, edition) of an order. Events of older ones do not count, nor do they later."""
    put(
        database,
        journey("1", [("ads", 0), ("email", 1)], "10", edition="orders/0/9", fetched_at_ms=START_MS + 2),
        journey("1", [("referral", 0), ("direct", 1), ("other", 2)], "20", edition="orders/0/10"),
        journey("2", [("ads", 0)], "30", edition="orders/0/11"),
        journey("2", [("email", 0)], "40", edition="orders/0/11#1"),
        journey("2", [("other", 0)], "50", edition="orders/0/12", account="second"),
    )
    assert sorted(rows(database, "select account, order_id, edition from newest_editions")) == [
        ("default", "1", "orders/0/9"),
        ("default", "2", "orders/0/11#1"),
        ("second", "2", "orders/0/12"),
    ]
    assert rows(database, "select account, sum(revenue) from conversions group by account order by account") == [
        ("default", 50),
        ("second", 50),
    ]
    assert rows(database, "select older_editions from coverage") == [(2,)]


def test_an_edition_read_twice_counts_as_two_readings(database: duckdb.DuckDBPyConnection) -> None:
    """After a reset of the worker's offsets an old edition comes again, with a later `fetched_at`."""
    put(
        database,
        journey("1", [("ads", 0)] * 3, "10"),
        journey("1", [("email", 0)] * 2, "20", fetched_at_ms=START_MS + 1),
    )
    assert by_channel(database) == {model: {"email": 20} for model in MODELS}


def test_an_order_counts_once_all_its_events_are_there(database: duckdb.DuckDBPyConnection) -> None:
    """Until then it is incomplete. A journey of no events is complete."""
    events, summary = journey("1", [("ads", 0), ("email", 1)])
    put(database, (events[1:], summary), journey("2", [], None, converts=False))
    assert rows(database, "select order_id from complete_journeys") == [("2",)]
    assert rows(database, "select orders, incomplete, without_conversion from coverage") == [(2, 1, 1)]
    put(database, (events[:1], journey("3", [], None, converts=False)[1]))
    assert rows(database, "select incomplete from coverage") == [(0,)]


def test_consecutive_events_of_one_channel_and_campaign_are_one_touch(database: duckdb.DuckDBPyConnection) -> None:
    """Another channel or campaign, or a pause of over 30 minutes, starts a touch. Position orders equal times."""
    events = [("ads", 0), ("ads", 30 * MINUTE), ("ads", 61 * MINUTE), ("email", 61 * MINUTE), ("email", 62 * MINUTE)]
    put(database, journey("1", events, campaigns=["a", "a", "a", "a", "b"]))
    query = "select touch, channel, campaign, event_count, touched_at_ms - {} from touches order by touch"
    assert rows(database, query.format(START_MS)) == [
        (1, "ads", "a", 2, 0),
        (2, "ads", "a", 1, 61 * 60_000),
        (3, "email", "a", 1, 61 * 60_000),
        (4, "email", "b", 1, 62 * 60_000),
    ]
    change_settings(database, Settings(gap_minutes=31))
    assert rows(database, "select event_count from touches order by touch") == [(3,), (1,), (1,)]


def test_events_after_the_conversion_and_before_the_window_are_cut(database: duckdb.DuckDBPyConnection) -> None:
    """Exactly 30 days before is inside. Events are ordered by time, then by position."""
    events, summary = journey("1", [("other", 5), ("email", 10), ("ads", 9.99), ("referral", 40)])
    late = [(*events[0][:4], 4, "direct", "", START_MS + 41 * 86_400_000, None, None, None)]
    put(database, (events + late, (*summary[:4], 5, *summary[5:])))
    assert rows(database, "select channel from touches order by touch") == [("email",), ("referral",)]
    change_settings(database, Settings(window_days=31))
    assert rows(database, "select channel from touches order by touch") == [("ads",), ("email",), ("referral",)]


def test_revenue_is_in_the_shops_currency_or_else_in_the_orders(database: duckdb.DuckDBPyConnection) -> None:
    """An amount without a currency, or one too large to add up, is no revenue; currencies are never added up."""
    totals = {
        "shop": ("10", "EUR", "12", "USD"),
        "order": ("10", "EUR", None, "USD"),
        "no shop currency": ("10", "EUR", "12", None),
        "empty shop currency": ("10", "EUR", "12", ""),
        "small letters": ("10", "eur", None, "usd"),
        "no currency": ("10", None, "12", None),
        "huge": ("99999999999999999999999999999", "EUR", None, "USD"),
        "nothing": (None, None, None, "USD"),
    }
    for order, money in totals.items():
        events, summary = journey(order, [("ads", 0)])
        put(database, (events, (*summary[:6], *money)))
    put(database, journey("not seen", [("ads", 0)], "12", converts=False))
    query = "select order_id, revenue, currency from conversions order by order_id"
    assert {order: (revenue, currency) for order, revenue, currency in rows(database, query)} == {
        "shop": (12, "USD"),
        "order": (10, "EUR"),
        "no shop currency": (10, "EUR"),
        "empty shop currency": (10, "EUR"),
        "small letters": (10, "EUR"),
        "no currency": (None, None),
        "huge": (None, None),
        "nothing": (None, None),
        "not seen": (12, "USD"),
    }
    assert rows(
        database, "select currency, orders, revenue from by_channel where model = 'linear' order by orders"
    ) == [
        ("USD", 1, 12),
        (None, 3, None),
        ("EUR", 4, 40),
    ]
    assert rows(database, "select without_conversion, without_amount from coverage") == [(1, 3)]


def test_the_latest_checkout_of_the_order_is_its_conversion(database: duckdb.DuckDBPyConnection) -> None:
    """A checkout of another order, an earlier one and one without a time do not end the journey."""
    events, summary = journey("1", [("ads", 0), ("email", 1), ("referral", 2), ("other", 3)])
    for position, order in enumerate(("1", "1", None, "2")):
        events[position] = (*events[position][:8], order, None, None)
    put(database, (events, summary))
    assert rows(database, "select converted_at_ms from conversions") == [(START_MS + 86_400_000,)]
    assert rows(database, "select path from paths") == [("ads > email",)]


def test_costs_give_cpa_and_roas(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Spend counts in its own currency. An influencer's campaign costs once, however many events name it."""
    events, summary = journey("1", [("influencer", 0), ("influencer", 1), ("ads", 2)], "90", campaigns=["x", "x", "y"])
    for position, (creator, cost) in enumerate([("c1", "40"), ("c1", "40"), (None, None)]):
        events[position] = (*events[position][:9], creator, cost)
    put(database, (events, summary))
    spend = tmp_path / "spend.csv"
    spend.write_text("campaign,channel,currency,spend\ny,ads,usd,6\n,ads,USD,9\n,email,USD,5\n,ads,EUR,1\n")
    replace_spend(database, spend)
    query = "select currency, channel, spend, cpa, roas from by_channel where model = 'linear' order by 1, 2"
    assert rows(database, query) == [
        ("EUR", "ads", 1, None, 0),
        ("USD", "ads", 15, pytest.approx(45), 2),
        ("USD", "email", 5, None, 0),
        ("USD", "influencer", 40, pytest.approx(60), pytest.approx(1.5)),
    ]
    query = "select campaign, spend, roas from by_campaign where model = 'last' and currency = 'USD' order by 2"
    assert rows(database, query) == [(None, 5, None), ("y", 6, 15), (None, 9, None), ("x", 40, 0)]
    replace_spend(database, None)
    assert rows(database, "select count(*) from spend") == [(0,)]


def test_spend_of_a_whole_channel_is_no_cost_of_its_orders_without_a_campaign(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """It counts for the channel. Records may write a currency in small letters."""
    put(database, *(journey(str(number), [("ads", 0)], campaigns=["x"]) for number in range(9)))
    put(database, journey("9", [("ads", 0)], currency="usd"))
    spend = tmp_path / "spend.csv"
    spend.write_text("campaign,channel,currency,spend\n,ads,USD,800\n")
    replace_spend(database, spend)
    [section] = channel_sections(database)
    assert section.channels["ads"]["linear"] == Result(Decimal(10), Decimal(1000), Decimal(800))
    assert {key: results["linear"] for key, results in section.campaigns.items()} == {
        ("ads", "x"): Result(Decimal(9), Decimal(900)),
        ("ads", ""): Result(Decimal(1), Decimal(100)),
    }
    query = "select cpa, roas from by_channel where model = 'linear'"
    assert rows(database, query) == [(80, 1.25)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("facebook,,USD,1", "line 2: the channel 'facebook' is not one of ads,"),
        ("ads,,,1", "line 2: the currency is missing"),
        ("ads,,USD,NaN", "line 2: the spend 'NaN' is not an amount"),
        ("ads,,USD", "line 2: the spend '' is not an amount"),
    ],
)
def test_wrong_spend_names_the_line_and_changes_nothing(
    line: str, reason: str, database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The spend from before stays."""
    spend = tmp_path / "spend.csv"
    spend.write_text("channel,campaign,currency,spend\nads,,USD,1\n")
    replace_spend(database, spend)
    spend.write_text(f"channel,campaign,currency,spend\n{line}\n")
    with pytest.raises(ValueError, match=reason):
        replace_spend(database, spend)
    assert rows(database, "select sum(spend) from spend") == [(1,)]


def test_encoded_journeys_give_each_model_the_same_revenue(database: duckdb.DuckDBPyConnection) -> None:
    """Odd journeys from the worker's encoder: each complete one counts, under every model, with its own amount."""
    orders = [f"n{number}-{number}" for number in range(25)] + [
        "x-odd-n6",
        "x-nullevent-n4",
        "x-values-n5",
        "x-zeros-n5",
    ]
    events, summaries = encoded(orders)
    put(database, *(([], summary) for summary in summaries), (events, ("other", "", "", 0, 0, False, *[None] * 4)))
    sums = dict(rows(database, "select model, sum(revenue) from credits group by model"))
    expected = sum(Decimal(summary[8]) for summary in summaries if summary[5] and summary[8] is not None)
    assert sums == dict.fromkeys(MODELS, expected)
    assert expected > 0
    assert rows(database, "select incomplete from coverage") == [(0,)]
