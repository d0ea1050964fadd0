"""The Kafka thread: owns the consumers, the producer and every ledger."""
