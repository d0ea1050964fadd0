"""The public API: its names and signatures, its errors, and the example of docs/library.md."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import journeys
from journeys import HaltError, NotFoundYetError, Settings, fetch_journey, library
from journeys.settings import load
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.server import StandInThread

PAGE = Path(__file__).parents[2] / "docs" / "library.md"

SIGNATURES = {
    "encode_journey": (
        "(journey: 'Journey', schema_ids: 'Mapping[str, int]', settings: 'Settings | None' = None) -> 'list[Record]'"
    ),
    "fetch_journey": "(order_id: 'str', settings: 'Settings | None' = None) -> 'Journey'",
    "fetch_schema_ids": "(settings: 'Settings | None' = None) -> 'dict[str, int]'",
    "load_settings": "(config_file: 'Path | None' = None) -> 'Settings'",
}
TYPES = {
    "HaltError",
    "Journey",
    "JourneysError",
    "NotFoundYetError",
    "OrderError",
    "Record",
    "Settings",
    "SettingsError",
}


@pytest.fixture(scope="module")
def api() -> Iterator[StandInThread]:
    """An API that wants a key."""
    with StandInThread(ApiSettings(key="right")) as api:
        yield api


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry that has each schema, always with the id 7."""
    with HTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Registry(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"subject": "any", "id": 7, "version": 1, "schema": '"string"'}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


def settings(api: StandInThread, key: str = "right") -> Settings:
    """Settings with this key."""
    return load(None, {"JOURNEYS_API__BASE_URL": api.url, "JOURNEYS_API__KEY": key})


def test_public_names_and_signatures_are_pinned() -> None:
    """A change here is a change for users: it needs a line in the changelog."""
    assert journeys.__all__ == library.__all__ == sorted({*SIGNATURES, *TYPES})
    assert {name: str(inspect.signature(getattr(journeys, name))) for name in SIGNATURES} == SIGNATURES
    assert all(inspect.isclass(getattr(journeys, name)) for name in TYPES)
    assert inspect.iscoroutinefunction(fetch_journey)


def test_importing_the_package_imports_none_of_its_modules() -> None:
    """The public API is loaded at its first use, and an unknown name is an AttributeError."""
    code = (
        "import sys, journeys; print([m for m in sys.modules if m.startswith('journeys.')], hasattr(journeys, 'other'))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - code of ours
    assert done.stdout == "[] False\n"


def test_example_of_the_page_runs(
    api: StandInThread, registry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a line for each event, then one for each record."""
    monkeypatch.setenv("JOURNEYS_API__BASE_URL", api.url)
    monkeypatch.setenv("JOURNEYS_API__KEY", "right")
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", registry)
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    exec(compile(example[1], PAGE, "exec"), {})  # noqa: S102 - the example is ours
    lines = capsys.readouterr().out.splitlines()
    events = journey_of("5154899656917")
    assert lines[: len(events)] == [f"{event.get('event_at')} {event.get('event_type')}" for event in events]
    assert len(lines) == 2 * len(events) + 1
    assert re.fullmatch(r"journey\.summary \d+ bytes", lines[-1])


def test_absent_journey_is_an_error(api: StandInThread) -> None:
    """The API has none yet."""
    with pytest.raises(NotFoundYetError):
        asyncio.run(fetch_journey("x-404-absent", settings(api)))


def test_refused_key_ends_the_fetch(api: StandInThread) -> None:
    """A worker would wait for a new key."""
    with pytest.raises(HaltError, match="the API does not accept the key"):
        asyncio.run(fetch_journey("n1", settings(api, "wrong")))


def test_cancelled_fetch_leaves_no_task(api: StandInThread) -> None:
    """A task that outlives its client would send requests on a closed session."""

    async def give_up() -> set[asyncio.Task[None]]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # its quick tries take seconds
                await fetch_journey("x-503-never", settings(api))
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(give_up()) == set()
