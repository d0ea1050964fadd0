"""The demo: `journeys demo`."""
