"""The operators' view of a worker: health, readiness and metrics."""
