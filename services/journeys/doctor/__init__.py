"""`journeys doctor`: looks at everything that a worker needs, before one runs. Changes nothing.

A check is in `checks`. It asks for facts (`facts`, the only I/O) and judges them by a rule, which does no I/O. Each
module of rules is one group of checks. `examine` runs the checks, and `report` is their result, as JSON too.
"""
