"""The worker: one Kafka thread and one event loop, wired together."""
