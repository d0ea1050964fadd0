"""FastStream on its confluent broker, in its two ways to handle orders side by side.

- `PEER_MODE=workers` (default): `max_workers`, which FastStream allows only with `AckPolicy.ACK_FIRST`. It commits
  offsets in the background, before the orders are done: at most once. If a handler raises, FastStream logs and drops
  the order.
- `PEER_MODE=batch`: a batch of orders per call, with `AckPolicy.NACK_ON_ERROR`: at least once. If a handler raises,
  FastStream reads the batch again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from benchmarks.peers.common import Encoder, Settings, fetch_async, records
from faststream import FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage
from faststream.middlewares import AckPolicy

settings = Settings.from_environment()
encode = Encoder(settings)
broker = KafkaBroker(settings.bootstrap)
client = httpx.AsyncClient(headers=settings.headers, limits=settings.limits, timeout=30)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Close the HTTP client at the end."""
    async with client:
        yield


app = FastStream(broker, lifespan=lifespan)


async def handle(order_id: str, edition: str) -> None:
    """Fetch and publish one order. Returns when the broker has all of it."""
    journey = await fetch_async(client, settings.api_url, order_id)
    deliveries = [
        await broker.publish(encode(channel, record), settings.prefix + channel, key=order_id.encode(), no_confirm=True)
        for channel, record in records(journey, edition)
    ]
    await asyncio.gather(*deliveries)


if os.environ.get("PEER_MODE", "workers") == "workers":

    @broker.subscriber(
        settings.orders, group_id=settings.group, auto_offset_reset="earliest", max_workers=settings.concurrency
    )
    async def on_order(body: bytes, message: KafkaMessage) -> None:
        """Handle one of many orders side by side."""
        raw = message.raw_message
        await handle(body.decode(), f"{raw.topic()}/{raw.partition()}/{raw.offset()}")

else:

    @broker.subscriber(
        settings.orders,
        group_id=settings.group,
        auto_offset_reset="earliest",
        batch=True,
        max_records=settings.concurrency,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def on_orders(bodies: list[bytes], message: KafkaMessage) -> None:
        """Handle a batch of orders, side by side."""
        async with asyncio.TaskGroup() as group:
            for body, raw in zip(bodies, message.raw_message, strict=True):
                edition = f"{raw.topic()}/{raw.partition()}/{raw.offset()}"
                group.create_task(handle(body.decode(), edition))


if __name__ == "__main__":
    asyncio.run(app.run())
