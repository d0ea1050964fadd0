"""The event loop's side: orders in hand, each a task that ends in records."""
