"""Dead letters: list them, export them, and send them again exactly once.

`letters`, `filters`, `formats`, `scan` and `plan` decide and do no I/O; `topic` reads the dead-letter topic, `replay`
sends letters again.
"""
