"""`journeys lag`: how far behind the workers are, from Kafka alone.

`progress` and `report` decide and do no I/O; `measure` reads Kafka.
"""
