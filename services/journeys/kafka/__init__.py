"""Kafka as an administrator and a configuration see it: settings for librdkafka, topics, the cluster."""
