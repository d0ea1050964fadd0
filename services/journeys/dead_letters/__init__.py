"""Dead letters: look at them, take them out, send them again exactly once.

`letters`, `filters`, `forms` and `plan` decide and do no I/O; `store` reads the topic, `replay` sends, `resume` asks a
worker to go on.
"""
