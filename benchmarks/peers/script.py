"""A plain script: confluent-kafka and httpx, one order after the other, at least once.

The script stores an order's offset when the broker has all of its events. The client commits stored offsets every 5 s.
An error ends the script; a supervisor starts it again from the last commit.
"""

from __future__ import annotations

import signal

import httpx
from benchmarks.peers.common import Encoder, Settings, fetch, records
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

running = True


def stop(*_: object) -> None:
    """End the loop."""
    global running  # noqa: PLW0603 - as the client's own examples have it
    running = False


def delivered(error: KafkaError | None, _message: Message) -> None:
    """Raise from `flush` if the broker rejected an event."""
    if error is not None:
        raise KafkaException(error)


def main() -> None:
    """Work until SIGTERM."""
    settings = Settings.from_environment()
    encode = Encoder(settings)
    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": settings.group,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
        }
    )
    producer = Producer({"bootstrap.servers": settings.bootstrap, "enable.idempotence": True})
    consumer.subscribe([settings.orders])
    try:
        with httpx.Client(headers=settings.headers, timeout=30) as client:
            while running:
                message = consumer.poll(1.0)
                if message is None:
                    continue
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                order_id = (message.value() or b"").decode()
                journey = fetch(client, settings.api_url, order_id)
                edition = f"{message.topic()}/{message.partition()}/{message.offset()}"
                for channel, record in records(journey, edition):
                    producer.produce(
                        settings.prefix + channel, encode(channel, record), key=order_id, on_delivery=delivered
                    )
                    producer.poll(0)
                producer.flush()
                consumer.store_offsets(message)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
