"""Rules about the settings."""

from __future__ import annotations

from journeys.doctor import configuration
from journeys.doctor.report import Status
from journeys.settings import load


def test_settings_say_where_they_come_from_and_what_auto_is() -> None:
    """For the API's own servers, and for any other."""
    own = configuration.settings(load(None, {}), {})
    assert own.detail == "all at their defaults; JOURNEYS_ORDERS__SETTLE=auto is 30m; JOURNEYS_API__RATE=auto is 20"
    environ = {"JOURNEYS_API__BASE_URL": "http://api.test", "JOURNEYS_ORDERS__SETTLE": "5m"}
    other = configuration.settings(
        load(None, environ), {"api.base_url": "env", "orders.settle": "env", "ops.port": "file"}
    )
    assert other.detail == "2 in the environment and 1 in the file; JOURNEYS_API__RATE=auto is no limit"
    assert other.values == {"JOURNEYS_API__RATE": "no limit"}


def test_order_topic_under_the_prefix_is_a_warning() -> None:
    """Consumers that subscribe to the prefix would read orders as events."""
    assert configuration.prefix(load(None, {})).status is Status.OK
    odd = configuration.prefix(load(None, {"JOURNEYS_ORDERS__TOPICS": "journey.orders"}))
    assert odd.status is Status.WARN
    assert "journey.orders" in odd.detail
