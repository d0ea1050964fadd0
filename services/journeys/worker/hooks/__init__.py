"""The hooks of a worker: its metrics, its log lines, and whether it is ready. Each has a file of its own."""
