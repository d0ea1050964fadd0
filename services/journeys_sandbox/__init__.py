"""Real Kafka, a real schema registry and a stand-in for the order-event API, all without Docker."""
