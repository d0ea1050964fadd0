"""`journeys send`: order messages from arguments or a file.

`order_list`, `order_value` and `checkpoint` decide and do no I/O; `sending` hands the messages to Kafka.
"""
