"""A stand-in for the order-event API."""
