"""Pages in: one order becomes one whole, consistent journey, or a failure with a verdict."""
