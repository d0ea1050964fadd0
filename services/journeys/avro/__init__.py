"""Avro: schemas, values in the Confluent wire format, and a guard against foreign schemas."""
