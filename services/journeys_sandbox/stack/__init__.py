"""Real Apache Kafka and a real schema registry, without Docker."""
