"""Kafka outside the worker's loop: librdkafka's configuration, topics, administration, reading without a group."""
