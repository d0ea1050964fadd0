"""What operators look at: health, readiness and metrics."""
