"""Settings and order of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast an example is made or run says something of the machine, nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_HERE = Path(__file__).parent
_OWN_BROKERS = "brokers of their own"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes (`pytest -n`): which tests run in one process, and the slow ones first."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (group := _group(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (_group(item) != _OWN_BROKERS, not _is_slow(item), _folder(item) != "broker"))


def _group(item: pytest.Item) -> str | None:
    """The tests that stay in one process with this one; None if it may run in any process."""
    match _folder(item):
        case "broker" | "chaos" if "stack" not in getattr(item, "fixturenames", ()):
            return _OWN_BROKERS  # one after the other: each starts Java anew, which takes the processor from the others
        case "broker" | "property" | "simulation":
            return None
        case _:
            return str(item.path.relative_to(_HERE))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0]
