"""Fixtures for the commands."""

from __future__ import annotations

import os
import socket

import pytest


@pytest.fixture(autouse=True)
def _only_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's reaches a test."""
    for name in [name for name in os.environ if name.startswith("JOURNEYS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> int:
    """A port that no program listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port
