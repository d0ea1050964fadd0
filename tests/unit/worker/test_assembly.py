"""The times of the Kafka thread follow from the settings."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from journeys.errors import SettingsError
from journeys.settings import load
from journeys.worker.assembly import make_tracing, patience, rules_of


@pytest.mark.parametrize(("timeout", "waited"), [("3s", 3.0), ("10s", 10.0), ("15m", 30.0)])
def test_transaction_is_abandoned_at_its_timeout(timeout: str, waited: float) -> None:
    """It was aborted when its time-out was over; no rebalance is served while a worker waits for it."""
    settings = load(None, {"JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": timeout})
    assert rules_of(settings).pace.transaction_s == waited


def test_low_rate_makes_the_watchdog_patient() -> None:
    """At one request in 1,000 s, an order is not stuck because it waits for its turn."""
    slow, fast = (patience(load(None, {"JOURNEYS_API__RATE": rate})).order_s for rate in ("0.001", "0"))
    assert slow - fast == 2000.0


def test_probes_never_give_up_an_order_where_no_tier_takes_it() -> None:
    """It would become a dead letter of the outage."""
    assert rules_of(load(None, {})).fetch.probes == 3
    assert rules_of(load(None, {"JOURNEYS_ORDERS__RETRY_TIERS": "[]"})).fetch.probes == math.inf


@pytest.mark.slow
def test_worker_without_a_collector_does_not_import_opentelemetry() -> None:
    """Neither the import of the whole worker nor its wiring loads any module of the extra."""
    code = (
        "import sys, journeys.worker.service; from journeys.settings import load;"
        " from journeys.worker.assembly import make_tracing;"
        " print(make_tracing(load(None, {}), instance_id='w'), [m for m in sys.modules if 'opentelemetry' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "None []\n"


def test_collector_without_the_extra_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting and the extra to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "journeys.worker.tracing", raising=False)
    settings = load(None, {"JOURNEYS_TRACING__ENDPOINT": "http://localhost:4318"})
    with pytest.raises(SettingsError, match=r"JOURNEYS_TRACING__ENDPOINT: needs journeys\[otel\]"):
        make_tracing(settings, instance_id="w")
