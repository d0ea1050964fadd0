"""Reads orders: a Kafka record becomes an order, and a ledger keeps the state of every offset."""
