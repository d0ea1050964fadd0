"""The SQL of docs/consume.md gives the results that the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from msgspec import structs
from tests.downstream.warehouse import opened, rows, write_parquet
from tests.support import sample_order
from tests.support.document_blocks import statements

from journeys.model import Journey
from journeys.number import Number
from journeys.producer import schemas


def journey(order: str, channels: str, total: str, *, offset: int, fetched_at_ms: int | None = None) -> Journey:
    """A journey with an event of each channel, a day apart. The last event completes the checkout.

    It is read at `offset` milliseconds unless the time is given.
    """
    names = channels.split(" > ")
    events: list[dict[str, Any]] = [
        {"event_type": name, "event_at": f"2026-03-{day:02} 10:00:00"} for day, name in enumerate(names, 1)
    ]
    events[-1]["checkout_completed"] = {"other_order_id": order, "currency": "USD", "total_price": Number(total)}
    return structs.replace(
        sample_order.journey(),
        order_id=order,
        edition=f"orders.completed/0/{offset}",
        events=tuple(events),
        total=len(events),
        shop_currency="USD",
        fetched_at_ms=offset if fetched_at_ms is None else fetched_at_ms,
    )


def journeys() -> Iterator[Journey]:
    """The orders of the page; the sums of the first three and of the newest reading of order 4 are published ones."""
    yield journey("1", "organic-search > social-media > ads", "100", offset=0)
    yield journey("2", "ads > email", "200", offset=1)
    yield journey("3", "social-media > organic-search > social-media > ads", "150", offset=2)
    yield journey("4", "referral > direct", "45", offset=3)
    yield journey("4", "referral > email", "48", offset=9, fetched_at_ms=8)
    yield journey("4", "email", "50", offset=9)
    yield journey("5", "ads > direct", "70", offset=4)


@contextmanager
def warehouse_of(published: Iterable[Journey], directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A table for each topic, with the records of these journeys. The first event of order 5 has not arrived."""
    published = [*published]
    tables = {}
    for name, record in schemas.RECORDS.items():
        data = [datum for each in published for datum in sample_order.decoded(name, each)]
        kept = [datum for datum in data if (datum["order_id"], datum.get("position")) != ("5", 0)]
        path = tables[name.replace("-", "_")] = directory / f"{name}.parquet"
        write_parquet(path, schemas.load(record), kept)
    with opened(**tables) as warehouse:
        yield warehouse


def test_each_statement_of_the_page_gives_the_result_below_it(tmp_path: Path) -> None:
    """Views are created in the order of the page."""
    with warehouse_of(journeys(), tmp_path) as warehouse:
        for statement in statements("docs/consume.md"):
            created = re.match(r"create view (\w+) as", statement.sql)
            if created:
                warehouse.execute(statement.sql)
            found = rows(warehouse, f"from {created[1]}" if created else statement.sql)
            assert statement.gives(found), (statement, found)


def test_revenue_is_in_a_known_currency_and_currencies_are_never_added_up(tmp_path: Path) -> None:
    """An amount in the shop's currency counts only if that currency is known, else the order's own amount does."""
    published = [
        priced("1", "USD", "139.50", shop_total="129.50", shop_currency=None),
        priced("2", "JPY", "5000", shop_total="31", shop_currency=""),
        priced("3", "JPY", "5000", shop_total="31", shop_currency="EUR"),
        priced("4", "USD", "10", shop_total=None, shop_currency="EUR"),
        priced("6", "", "70", shop_total="60", shop_currency=None),
    ]
    with warehouse_of(published, tmp_path) as warehouse:
        *views, last, linear = statements("docs/consume.md")
        for view in views:
            warehouse.execute(view.sql)
        for query in (last.sql, linear.sql):
            found = {row["currency"]: row["revenue"] for row in rows(warehouse, query)}
            assert found.pop(None) is None
            assert found == {"EUR": 31, "JPY": 5000, "USD": 149.5}


def priced(order: str, currency: str, total: str, *, shop_total: str | None, shop_currency: str | None) -> Journey:
    """A journey of one event on the channel ads, a checkout with both totals."""
    checkout = {
        "other_order_id": order,
        "currency": currency,
        "total_price": Number(total),
        "shop_currency_total_price": None if shop_total is None else Number(shop_total),
    }
    event = {"event_type": "ads", "event_at": "2026-03-01 10:00:00", "checkout_completed": checkout}
    return structs.replace(
        sample_order.journey(), order_id=order, events=(event,), total=1, shop_currency=shop_currency
    )
