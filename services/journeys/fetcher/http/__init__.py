"""HTTP: sends one request to the order-event API."""
