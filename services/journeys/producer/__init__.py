"""Events out: a journey becomes Avro records, published in one transaction with its offset."""
