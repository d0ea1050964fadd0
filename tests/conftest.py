"""Settings of all tests, and how several processes share them (`pytest -n`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped]  # pytest-xdist has no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The speed of an example is the machine's, not the code's. Each run tries the same examples, so it ends the same way
# on every machine. For new ones: pytest --hypothesis-profile=explore tests/property
_UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, **_UNHURRIED)  # type: ignore[arg-type]  # each has its own type
settings.register_profile("explore", **_UNHURRIED)  # type: ignore[arg-type]
settings.load_profile("steady")

# Commands have a width only if COLUMNS gives one. pytest imports readline, which sets it for pytest-xdist's processes.
os.environ.pop("COLUMNS", None)

_HERE = Path(__file__).parent
_ONE_BY_ONE = ("tests/broker/", "tests/property/", "tests/simulation/")
"""Tests in these folders may run in any process; elsewhere a file stays in one process."""
_OWN_BROKERS = tuple(f"tests/broker/test_{name}.py" for name in ("demo", "long_run", "silent_broker"))
_CHAOS = ("tests/chaos/",)
_IN_TURN = (
    _CHAOS,
    _OWN_BROKERS,
    ("tests/simulation/test_simulation.py::test_the_simulation_finds_each_planted_defect",),
    ("tests/broker/test_security.py",),
)
"""The tests of a group run in one process, one after the other.

They start brokers of their own, and each start takes much CPU; or they share what takes long to make.
"""


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process the next group of tests when it has none left, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of a test's group."""
        for beginnings in _IN_TURN:
            if nodeid.startswith(beginnings):
                return beginnings[0]
        return nodeid if nodeid.startswith(_ONE_BY_ONE) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Called by pytest-xdist in the process that hands out the tests."""
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes start with the tests that take longest."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[bool, bool, bool]:
    is_slow = item.get_closest_marker("slow") is not None
    is_long = item.nodeid.startswith(_CHAOS + _OWN_BROKERS)
    return not is_long, not is_slow, not item.path.is_relative_to(_HERE / "broker")
