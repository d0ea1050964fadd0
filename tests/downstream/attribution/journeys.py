"""Journeys for the tests of the attribution example: written by hand, or encoded by the worker's own encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import duckdb
from msgspec import structs
from tests.support import sample_order

from attribution.database import CHANNELS
from attribution.load import SUMMARY, Row, event_row, store, summary_row
from journeys.avro import wire
from journeys.avro.schema import Schema
from journeys.model import Journey
from journeys.producer import schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys_sandbox.api.generator import journey_of

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
"""2026-01-01, the day 0 of journeys written by hand."""


def journey(
    order: str,
    events: Sequence[tuple[str, float | None]],
    revenue: str | None = "100",
    *,
    campaigns: Sequence[str] = (),
    currency: str | None = "USD",
    converts: bool = True,
    edition: str = "orders/0/0",
    fetched_at_ms: int = START_MS,
    account: str = "default",
) -> tuple[list[Row], Row]:
    """The rows of a journey: events of (channel, day or None), the last of which completes the checkout."""
    last = len(events) - 1
    rows: list[Row] = [
        (
            *(account, order, edition, fetched_at_ms, position, channel),
            campaigns[position] if campaigns else "",
            None if day is None else START_MS + round(day * DAY_MS),
            order if converts and position == last else None,
            *(None, None),
        )
        for position, (channel, day) in enumerate(events)
    ]
    return rows, (account, order, edition, fetched_at_ms, len(rows), converts, None, None, revenue, currency)


def put(connection: duckdb.DuckDBPyConnection, *journeys: tuple[list[Row], Row]) -> None:
    """Store journeys as the loader does."""
    store(connection, [row for rows, _ in journeys for row in rows], [summary for _, summary in journeys], {})


def encoded(orders: Iterable[str]) -> tuple[list[Row], list[Row]]:
    """The rows of `events` and `summaries` of the stand-in API's orders, through the worker's own encoder."""
    encoder = JourneyEncoder(sample_order.IDS, topic_prefix=sample_order.PREFIX)
    schema_of = {name: Schema(schemas.load(schemas.RECORDS[name])) for name in (*CHANNELS, SUMMARY)}
    events, summaries = [], []
    for number, order in enumerate(orders):
        for record in encoder.encode(stand_in_journey(order, number)):
            name = record.topic.removeprefix(sample_order.PREFIX)
            if name in schema_of:
                datum = schema_of[name].decode(wire.unframe(record.value or b"")[1])
                if name == SUMMARY:
                    summaries.append(summary_row(datum))
                else:
                    events.append(event_row(name, datum))
    return events, summaries


def stand_in_journey(order: str, number: int = 0) -> Journey:
    """The journey of an order as the worker reads it from the stand-in API; `number` makes its edition."""
    items = tuple(journey_of(order))
    return structs.replace(
        sample_order.journey(),
        order_id=order,
        edition=f"orders.completed/0/{number}",
        order_timestamp_ms=START_MS,
        events=items,
        total=len(items),
        shop_currency="USD",
        fetched_at_ms=START_MS + number,
    )


def credits_of(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, list[Decimal]]]:
    """Model → order → the revenue of each of its credited touches, in their order."""
    found: dict[str, dict[str, list[Decimal]]] = {}
    query = "select model, order_id, revenue from credits order by order_id, touch"
    for model, order, revenue in connection.execute(query).fetchall():
        found.setdefault(model, {}).setdefault(order, []).append(revenue)
    return found


def by_channel(connection: duckdb.DuckDBPyConnection, column: str = "revenue") -> dict[str, dict[str, Any]]:
    """Model → channel → a column of the view `by_channel`, for journeys of one account and currency."""
    found: dict[str, dict[str, Any]] = {}
    query = f"select model, channel, {column} from by_channel order by channel"  # noqa: S608 - the tests' own
    for model, channel, value in connection.execute(query).fetchall():
        found.setdefault(model, {})[channel] = value
    return found


def shown(amounts: Iterable[Decimal]) -> list[str]:
    """Amounts with two digits."""
    return [f"{amount:.2f}" for amount in amounts]
