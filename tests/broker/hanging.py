"""`journeys run` with a defect: a request for the order `hangs` never ends, one for `blocks` blocks the event loop.

Both continue when a file exists that the environment names. The worker itself never hangs without end, because each
request has a time-out. So the tests plant a defect, and shorten the time after which an order counts as stuck.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from journeys.cli import main
from journeys.fetcher.http.client import ApiClient
from journeys.fetcher.pages import Answer
from journeys.ops.stuck import Patience
from journeys.settings import Settings
from journeys.worker import assembly, service

UNTIL = "GO_ON_WHEN_THERE_IS"


async def ask(client: ApiClient, order_id: str, page: int) -> Answer:
    """Ask the API, after the test lets it continue."""
    if order_id == "hangs":
        await hang()
    elif order_id == "blocks":
        block()
    return await _ask(client, order_id, page)


async def hang() -> None:
    """Hang one order."""
    while not may_go_on():  # noqa: ASYNC110 - there is nothing to wait for but a file
        await asyncio.sleep(0.05)


def block() -> None:
    """Block the event loop."""
    while not may_go_on():
        time.sleep(0.05)


def may_go_on() -> bool:
    """Whether the test lets the worker continue: it creates a file for that."""
    return Path(os.environ[UNTIL]).exists()


def impatient(settings: Settings) -> Patience:
    """The worker's own patience, with a shorter one for an order: that of a thread."""
    return replace(_patience(settings), order_s=settings.ops.stalled_after)


_ask, _patience = ApiClient.ask, assembly.patience

if __name__ == "__main__":
    vars(service)["patience"] = impatient
    ApiClient.ask = ask  # type: ignore[assignment, method-assign]  # the defect
    sys.argv[1:] = ["run"]
    sys.exit(main())
