"""The journey of one order from the stand-in API, as an edition."""

from __future__ import annotations

import asyncio

from journeys.library import fetch_journey
from journeys.settings import load
from journeys.tools.show.from_api import as_edition
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.server import StandInThread


def test_journey_is_whole_and_as_a_worker_would_publish_it() -> None:
    """Over several pages."""
    with StandInThread() as api:
        settings = load(None, {"JOURNEYS_API__BASE_URL": api.url})
        found = as_edition(settings, asyncio.run(fetch_journey("n250-long", settings)))
    assert found.missing == {}
    assert (
        [event.position for event in found.timeline()] == list(range(len(journey_of("n250-long")))) == list(range(250))
    )
