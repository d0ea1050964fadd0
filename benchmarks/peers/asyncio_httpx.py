"""asyncio and httpx: a batch of orders at a time, side by side, at least once.

It uses confluent-kafka's clients for asyncio. It fetches a whole batch, publishes it, waits for the broker and commits.
An error ends the program; a supervisor starts it again from the last commit.
"""

from __future__ import annotations

import asyncio
import signal

import httpx
from benchmarks.peers.common import Encoder, Journey, Settings, fetch_async, records
from confluent_kafka import KafkaException, Message
from confluent_kafka.aio import AIOConsumer, AIOProducer


async def main() -> None:
    """Work until SIGTERM."""
    settings = Settings.from_environment()
    encode = Encoder(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOConsumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": settings.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = AIOProducer({"bootstrap.servers": settings.bootstrap, "enable.idempotence": True})
    await consumer.subscribe([settings.orders])
    try:
        async with httpx.AsyncClient(headers=settings.headers, limits=settings.limits, timeout=30) as client:

            async def journey_of(message: Message) -> Journey:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                return await fetch_async(client, settings.api_url, (message.value() or b"").decode())

            while not stop.is_set():
                messages = await consumer.consume(num_messages=settings.concurrency, timeout=0.1)
                if not messages:
                    continue
                journeys = await asyncio.gather(*map(journey_of, messages))
                deliveries = [
                    await producer.produce(
                        settings.prefix + channel, value=encode(channel, record), key=journey.order_id.encode()
                    )
                    for message, journey in zip(messages, journeys, strict=True)
                    for channel, record in records(
                        journey, f"{message.topic()}/{message.partition()}/{message.offset()}"
                    )
                ]
                await producer.flush()
                await asyncio.gather(*deliveries)
                await consumer.commit(asynchronous=False)
    finally:
        await producer.close()
        await consumer.close()


if __name__ == "__main__":
    asyncio.run(main())
