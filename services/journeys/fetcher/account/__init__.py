"""One API account: its gate, its rate, and the gatekeeper that makes requests wait for both."""
