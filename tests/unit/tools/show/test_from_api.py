"""The journey of one order from the stand-in API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from journeys.errors import HaltError, NotFoundYetError
from journeys.settings import Settings, load
from journeys.tools.show.from_api import as_edition, fetch
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.server import StandInThread


@pytest.fixture(scope="module")
def api() -> Iterator[StandInThread]:
    """An API that wants a key."""
    with StandInThread(ApiSettings(key="right")) as api:
        yield api


def settings(api: StandInThread, key: str = "right") -> Settings:
    """Settings with this key."""
    return load(None, {"JOURNEYS_API__BASE_URL": api.url, "JOURNEYS_API__KEY": key})


def test_journey_is_whole_and_as_a_worker_would_publish_it(api: StandInThread) -> None:
    """Over several pages."""
    found = as_edition(settings(api), asyncio.run(fetch(settings(api), "n250-long")))
    assert found.missing == {}
    assert (
        [event.position for event in found.timeline()] == list(range(len(journey_of("n250-long")))) == list(range(250))
    )


def test_absent_journey_is_an_error(api: StandInThread) -> None:
    """The API has none yet."""
    with pytest.raises(NotFoundYetError):
        asyncio.run(fetch(settings(api), "x-404-absent"))


def test_refused_key_ends_the_command(api: StandInThread) -> None:
    """A worker would wait for a new key."""
    with pytest.raises(HaltError, match="the API does not accept the key"):
        asyncio.run(fetch(settings(api, "wrong"), "n1"))
