"""HTTP: one request to the order-event API."""
