"""A journey becomes records: channel, schema, Avro bytes."""
