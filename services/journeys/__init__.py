"""Completed orders in, whole customer journeys out, exactly once, on Kafka."""

__version__ = "0.1.0"
