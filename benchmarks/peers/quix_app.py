"""Quix Streams with its exactly-once guarantee: one order after the other, a transaction every few seconds.

A Quix application handles messages one by one. It scales by partitions and processes. An error ends the application; a
supervisor starts it again from the last transaction.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
from benchmarks.peers.common import CHANNELS, Settings, channel_of, fetch, records
from confluent_kafka.schema_registry import SchemaRegistryClient
from quixstreams import Application, message_context
from quixstreams.models import SchemaRegistryClientConfig, SchemaRegistrySerializationConfig
from quixstreams.models.serializers.avro import AvroSerializer
from quixstreams.models.topics import Topic


def main() -> None:
    """Work until SIGTERM."""
    settings = Settings.from_environment()
    app = Application(
        broker_address=settings.bootstrap,
        consumer_group=settings.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        auto_create_topics=False,
        loglevel="WARNING",
        # By default each start has another id, and the open transaction of a killed process waits for its time-out.
        producer_extra_config={"transactional.id": settings.group},
    )
    orders = app.topic(settings.orders, value_deserializer="str")
    outputs = {channel: output(app, settings, channel) for channel in CHANNELS}
    client = httpx.Client(headers=settings.headers, timeout=30)

    def events_of(order_id: str) -> list[dict[str, Any]]:
        context = message_context()
        journey = fetch(client, settings.api_url, order_id)
        edition = f"{context.topic}/{context.partition}/{context.offset}"
        return [record for _, record in records(journey, edition)]

    def topic_of(event: dict[str, Any], *_: object) -> Topic:
        return outputs[channel_of(event.get("event_type"))]

    events = app.dataframe(orders).apply(events_of, expand=True)
    events.to_topic(topic_of, key=lambda event: event["order_id"])
    app.run()


def output(app: Application, settings: Settings, channel: str) -> Topic:
    """The topic of a channel, with its schema from the registry."""
    name = settings.prefix + channel
    found = SchemaRegistryClient({"url": settings.registry}).get_latest_version(f"{name}-value").schema.schema_str
    serializer = AvroSerializer(
        json.loads(found or "null"),
        schema_registry_client_config=SchemaRegistryClientConfig(url=settings.registry),
        schema_registry_serialization_config=SchemaRegistrySerializationConfig(auto_register_schemas=False),
    )
    return app.topic(name, key_serializer="str", value_serializer=serializer)


if __name__ == "__main__":
    main()
