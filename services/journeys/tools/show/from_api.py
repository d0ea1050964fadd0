"""Reads the journey of one order from the API, as a worker would publish it now."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from journeys.avro.wire import Decoder
from journeys.errors import HaltError
from journeys.fetcher.account.gate import Reason
from journeys.fetcher.fetch import Fetcher
from journeys.model import Journey, Order, OrderMessage, Position
from journeys.producer import schemas
from journeys.settings import Settings
from journeys.tools.show.edition import Edition
from journeys.worker.assembly import make_client, make_encoder, make_keeper, rules_of
from journeys.worker.hooks import Hooks


async def fetch(settings: Settings, order: str) -> Journey:
    """The journey that the API has now, read with the limits and tries of a worker.

    Raises OrderError if the API does not give it, HaltError if it refuses the key or is down.
    """
    rules = rules_of(settings)
    shut: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def changed(reasons: Mapping[Reason, str]) -> None:
        # A worker would wait until the gate opens again; a pause of the pace ends by itself.
        stopping = [text for reason, text in reasons.items() if reason != "pace"]
        if stopping and not shut.done():
            shut.set_result("; ".join(stopping))

    async with make_client(settings) as client:
        keeper = make_keeper(rules, changed)
        fetcher = Fetcher(client, rules.fetch, keeper=keeper, observer=Hooks(), chance=random.random)
        task = asyncio.create_task(fetcher.fetch(_order(settings, order)))
        waited: set[asyncio.Future[Any]] = {task, shut}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        raise HaltError(f"the API is not asked any more: {shut.result()}")


def as_edition(settings: Settings, journey: Journey) -> Edition:
    """The records that a worker would publish of this journey, decoded. Needs no registry."""
    prefix = settings.publish.topic_prefix
    names = list(schemas.RECORDS)
    ids = {schemas.subject(prefix, name): number for number, name in enumerate(names)}
    decoder = Decoder(lambda schema_id: schemas.text(schemas.RECORDS[names[schema_id]]), trusted=True)
    *events, summary = (
        (record.topic.removeprefix(prefix), decoder.decode(record.value or b""))
        for record in make_encoder(settings, ids, lambda _: None).encode(journey)
    )
    return Edition(summary=summary[1], events=tuple(events))


def _order(settings: Settings, order: str) -> Order:
    place = Position(topic="", partition=0, offset=0)
    message = OrderMessage(position=place, key=None, value=order.encode(), headers=(), timestamp_ms=None)
    return Order(
        order_id=order,
        account=settings.api.account,
        edition="",
        timestamp_ms=None,
        attempt=0,
        absences=0,
        message=message,
    )
