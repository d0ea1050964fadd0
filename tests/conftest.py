"""Settings and order of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast an example is made or run says something of the machine, nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_HERE = Path(__file__).parent
_ONE_BY_ONE = {"broker", "property", "simulation"}
"""Folders whose tests `pytest -n` hands to its processes one by one; elsewhere it hands out whole files."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes (`pytest -n`): slow tests first, and the quick tests of a file in one process."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if _folder(item) not in _ONE_BY_ONE and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(_HERE))))
    items.sort(key=lambda item: (_folder(item) != "chaos", not _is_slow(item), _folder(item) != "broker"))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0]
