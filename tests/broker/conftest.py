"""One real broker and one real registry for a test run, started by the first test that asks."""

from __future__ import annotations

import re
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.broker.shop import Shop
from tests.support.shared_stack import own_broker, shared_stack

from journeys_sandbox.stack.kafka import Broker
from journeys_sandbox.stack.stack import Stack

_HERE = Path(__file__).parent
_FIRST_START_S = 900
"""Seconds for the first test on a fresh machine, which waits for the downloads."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below this directory."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.broker)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_FIRST_START_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the broker's log to the report of a failed test."""
    report = yield
    for used in getattr(item, "funcargs", {}).values() if call.excinfo is not None else ():
        if isinstance(used, Shop | Stack):
            report.sections.append(("Apache Kafka", (used.stack if isinstance(used, Shop) else used).broker.tail()))
    return report


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Stack]:
    """The broker and registry of all tests. Use only names that begin with `namespace`."""
    own = tmp_path_factory.getbasetemp()
    with shared_stack(own if worker_id == "master" else own.parent) as running:
        yield running


@pytest.fixture(scope="session")
def broker(stack: Stack) -> Broker:
    """The shared broker. Do not stop or restart it; start your own `Broker` for that."""
    return stack.broker


@pytest.fixture(scope="session")
def bootstrap_servers(broker: Broker) -> str:
    """The address of the shared broker."""
    return broker.bootstrap_servers


@pytest.fixture(scope="session")
def registry_url(stack: Stack) -> str:
    """The Confluent-compatible base URL of the shared registry."""
    return stack.registry.url


@pytest.fixture
def own_stack(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Stack]:
    """A broker that the test may stop, and the shared registry. The parameter is the broker's configuration."""
    with own_broker(stack.registry, getattr(request, "param", None)) as made:
        yield made


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A prefix for this test's topics, groups, subjects and transactional ids; it ends with a dot."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{name[:60]}-{uuid.uuid4().hex[:8]}."
