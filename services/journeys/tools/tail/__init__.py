"""`journeys tail`: published records as they come, decoded.

`filters` and `line` decide and do no I/O; `records` reads Kafka.
"""
