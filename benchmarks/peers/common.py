"""The common code of the Python peers: settings, paging, and the Avro record of an event.

It is written like the first version of a service. It copies fields by name and coerces nothing but times and money,
which the serializer does not take as text. It tries a failing request five times within 15 s and then raises the
error; each peer handles that in its own way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

PAGE_SIZE: Final = 100
PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before the second and each later try of a request."""
CHANNELS: Final = ("ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other")
MONEY: Final = frozenset({"total_price", "shop_currency_total_price", "price", "shop_currency_price", "creator_cost"})
"""The decimal fields of an event, at any depth."""

log = logging.getLogger("peer")
logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, from the environment."""

    bootstrap: str
    registry: str
    api_url: str
    api_key: str
    orders: str
    prefix: str
    group: str
    concurrency: int

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process. Raises KeyError if one is missing."""
        return cls(
            bootstrap=os.environ["PEER_BOOTSTRAP"],
            registry=os.environ["PEER_REGISTRY"],
            api_url=os.environ["PEER_API_URL"],
            api_key=os.environ["PEER_API_KEY"],
            orders=os.environ["PEER_ORDERS"],
            prefix=os.environ["PEER_PREFIX"],
            group=os.environ["PEER_GROUP"],
            concurrency=int(os.environ.get("PEER_CONCURRENCY", "128")),
        )

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"ApiKey": self.api_key}

    @property
    def limits(self) -> httpx.Limits:
        """One connection for each order in flight, all kept open."""
        return httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)


# -- the API


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """All events of an order."""

    order_id: str
    currency: str | None
    events: list[dict[str, Any]]


def fetch(client: httpx.Client, url: str, order_id: str) -> Journey:
    """Fetch an order's journey, page by page. Raises httpx.HTTPError or ValueError after five failed tries."""
    events: list[dict[str, Any]] = []
    while True:
        data = _ask(client, url, _question(order_id, len(events)))
        events += data["events"]
        if _complete(data, events):
            return Journey(order_id=order_id, currency=data.get("shop_currency"), events=events)


async def fetch_async(client: httpx.AsyncClient, url: str, order_id: str) -> Journey:
    """Like `fetch`, on an event loop."""
    events: list[dict[str, Any]] = []
    while True:
        data = await _ask_async(client, url, _question(order_id, len(events)))
        events += data["events"]
        if _complete(data, events):
            return Journey(order_id=order_id, currency=data.get("shop_currency"), events=events)


def _question(order_id: str, have: int) -> dict[str, Any]:
    return {"order_id": order_id, "page": 1 + have // PAGE_SIZE, "page_size": PAGE_SIZE}


def _complete(data: dict[str, Any], events: list[dict[str, Any]]) -> bool:
    return len(events) >= data["total"] or not data["events"]


def _ask(client: httpx.Client, url: str, question: dict[str, Any]) -> dict[str, Any]:
    for pause in PAUSES:
        try:
            return _data(client.post(url, json=question))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("%s: %r, again in %s s", question["order_id"], error, pause)
            time.sleep(pause)
    return _data(client.post(url, json=question))


async def _ask_async(client: httpx.AsyncClient, url: str, question: dict[str, Any]) -> dict[str, Any]:
    for pause in PAUSES:
        try:
            return _data(await client.post(url, json=question))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("%s: %r, again in %s s", question["order_id"], error, pause)
            await asyncio.sleep(pause)
    return _data(await client.post(url, json=question))


def _data(response: httpx.Response) -> dict[str, Any]:
    """The `data` of an answer. Raises httpx.HTTPStatusError or ValueError if there is none."""
    response.raise_for_status()
    answer = response.json()
    if answer["code"] != 1:
        raise ValueError(f"the API answers {answer['code']}: {answer['message']}")
    data: dict[str, Any] = answer["data"]
    return data


# -- events


def channel_of(event_type: str | None) -> str:
    """The channel of an event: the end of its topic's name."""
    name = re.sub(r"[\s_-]+", "-", event_type or "").strip("-").lower()
    name = {"ad": "ads", "e-mail": "email", "socialmedia": "social-media", "organicsearch": "organic-search"}.get(
        name, name
    )
    return name if name in CHANNELS else "other"


def records(journey: Journey, edition: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(channel, record) of each event. The serializer drops unknown fields and fills in defaults."""
    fetched_at = datetime.now(UTC)
    for position, event in enumerate(journey.events):
        at = event.get("event_at")
        yield (
            channel_of(event.get("event_type")),
            {
                **_with_decimals(event),
                "account": "default",
                "edition": edition,
                "order_id": journey.order_id,
                "shop_currency": journey.currency,
                "event_at": at and datetime.fromisoformat(at).replace(tzinfo=UTC),
                "event_at_text": at,
                "position": position,
                "journey_size": len(journey.events),
                "fetched_at": fetched_at,
            },
        )


def _with_decimals(value: Any) -> Any:
    """The same value, with decimals for money, which the API sends as numbers and as texts."""
    if isinstance(value, dict):
        return {
            name: Decimal(str(inner)) if name in MONEY and inner is not None else _with_decimals(inner)
            for name, inner in value.items()
        }
    return [_with_decimals(inner) for inner in value] if isinstance(value, list) else value


class Encoder:
    """Encodes records with the schemas of the registry."""

    def __init__(self, settings: Settings) -> None:
        client = SchemaRegistryClient({"url": settings.registry, "timeout": 5})  # its default is to wait for ever
        self._serializers: dict[str, tuple[AvroSerializer, SerializationContext]] = {}
        for channel in CHANNELS:
            topic = settings.prefix + channel
            schema = client.get_latest_version(f"{topic}-value").schema
            self._serializers[channel] = (
                AvroSerializer(client, schema, conf={"auto.register.schemas": False}),
                SerializationContext(topic, MessageField.VALUE),
            )

    def __call__(self, channel: str, record: dict[str, Any]) -> bytes:
        """The value of the event's message: magic byte, schema id, Avro."""
        serializer, context = self._serializers[channel]
        value: bytes | None = serializer(record, context)
        assert value is not None  # noqa: S101 - only None gives None
        return value
