"""Kafka outside the worker's loop: librdkafka's configuration, topics, reading and writing without a group."""
