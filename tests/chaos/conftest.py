"""How many rounds of chaos there are, and from which seed on: `make chaos ROUNDS=100 SEED=7`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys_sandbox.stack.registry import Registry

_HERE = Path(__file__).parent
_ROUND_S = 300
_FIRST_START_S = 900
"""The first round of a fresh machine waits for the downloads."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below this directory."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.timeout(_FIRST_START_S))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a seed is one round for each."""
    if "seed" in metafunc.fixturenames:
        first, rounds = int(os.environ.get("SEED", "1")), int(os.environ.get("ROUNDS", "3"))
        metafunc.parametrize("seed", range(first, first + rounds))


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """One registry for all rounds; it is stopped for a while at most, and knows its schemas ever after."""
    with Registry() as running:
        yield running
