"""The SQL of docs/consume.md gives the results that the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def test_each_statement_of_the_page_gives_the_result_below_it(tmp_path: Path) -> None:
    """The first event of order 5 has not arrived."""
    tables = {}
    for name, record in schemas.RECORDS.items():
        data = [datum for each in journeys() for datum in sample_order.decoded(name, each)]
        kept = [datum for datum in data if (datum["order_id"], datum.get("position")) != ("5", 0)]
        path = tables[name.replace("-", "_")] = tmp_path / f"{name}.parquet"
        write_parquet(path, schemas.load(record), kept)
    with opened(**tables) as warehouse:
        for statement in statements("docs/consume.md"):
            created = re.match(r"create view (\w+) as", statement.sql)
            if created:
                warehouse.execute(statement.sql)
            found = rows(warehouse, f"from {created[1]}" if created else statement.sql)
            assert statement.gives(found), (statement, found)
