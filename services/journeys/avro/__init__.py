"""Avro: schemas, values in the Confluent wire format, and a guard against schemas that are not ours."""
