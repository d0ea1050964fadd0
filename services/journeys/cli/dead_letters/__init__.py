"""`journeys dead-letters`: list, show, export, replay, resume."""
