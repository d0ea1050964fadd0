"""One API account: its gate, its rate limiter, and the gatekeeper that makes requests wait for both."""
