"""`journeys show`: everything that Kafka knows about one order.

`keys`, `edition` and `story` decide and do no I/O; `find` reads Kafka.
"""
