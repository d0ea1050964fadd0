"""The public API of the package: `from journeys import fetch_journey`. See docs/library.md.

The names in `__all__` are stable; other modules may change at any time.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from journeys.errors import HaltError, JourneysError, NotFoundYetError, OrderError, SettingsError
from journeys.fetcher.account.gate import Reason
from journeys.fetcher.fetch import Fetcher
from journeys.model import Journey, Order, OrderMessage, Position, Record
from journeys.producer import registry
from journeys.settings import Settings, load
from journeys.worker.assembly import make_client, make_encoder, make_keeper, rules_of
from journeys.worker.happenings import Hooks

__all__ = [
    "HaltError",
    "Journey",
    "JourneysError",
    "NotFoundYetError",
    "OrderError",
    "Record",
    "Settings",
    "SettingsError",
    "encode_journey",
    "fetch_journey",
    "fetch_schema_ids",
    "load_settings",
]


def load_settings(config_file: Path | None = None) -> Settings:
    """The settings of the JOURNEYS_ variables and of a TOML file: `config_file`, else the one of JOURNEYS_CONFIG.

    Raises SettingsError with every problem.
    """
    return load(config_file, os.environ)


async def fetch_journey(order_id: str, settings: Settings | None = None) -> Journey:
    """The journey that the API has now, read with the limits and tries of a worker.

    `settings` defaults to `load_settings()`. Each call has a client and a request rate of its own, so calls side by
    side may exceed the rate of the account. The edition of the journey is empty: no order message named it.

    Raises NotFoundYetError if the API has no journey yet, another OrderError if it does not give this one (also because
    it is down), HaltError if it refuses the key, SettingsError if the settings are wrong.
    """
    settings = settings or load_settings()
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
        task = asyncio.create_task(fetcher.fetch(_order(settings, order_id)))
        waited: set[asyncio.Future[Any]] = {task, shut}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise HaltError(f"the API is not asked any more: {shut.result()}")
        finally:
            task.cancel()
            # It must not outlive the client, also if the caller is cancelled.
            await asyncio.gather(task, return_exceptions=True)


def fetch_schema_ids(settings: Settings | None = None) -> dict[str, int]:
    """Subject → schema id in the registry, for each topic that a worker publishes to. Blocks for some seconds at most.

    `settings` defaults to `load_settings()`. Raises HaltError if a schema is not registered or the registry does not
    answer, SettingsError if the settings are wrong.
    """
    settings = settings or load_settings()
    return registry.lookup(settings.registry.url, settings.registry.config, settings.publish.topic_prefix)


def encode_journey(journey: Journey, schema_ids: Mapping[str, int], settings: Settings | None = None) -> list[Record]:
    """The records that a worker would publish: events in order, rejected items, then the summary.

    Values are Avro in the Confluent wire format, with the ids that `fetch_schema_ids` returns. `settings` defaults to
    `load_settings()`. Each call reads the schema files (about 50 ms).

    Raises OrderError if the journey cannot be encoded, HaltError if a schema id is missing, SettingsError if the
    settings are wrong.
    """
    return make_encoder(settings or load_settings(), schema_ids, lambda _: None).encode(journey)


def _order(settings: Settings, order_id: str) -> Order:
    place = Position(topic="", partition=0, offset=0)
    message = OrderMessage(position=place, key=None, value=order_id.encode(), headers=(), timestamp_ms=None)
    return Order(
        order_id=order_id,
        account=settings.api.account,
        edition="",
        timestamp_ms=None,
        attempt=0,
        absences=0,
        message=message,
    )
