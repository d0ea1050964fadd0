"""The demo, `journeys demo`: real Kafka, registry and workers, and an audit of the result."""
