"""Orders in: a Kafka record becomes an order, and a ledger remembers every offset."""
