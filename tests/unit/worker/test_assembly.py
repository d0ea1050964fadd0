"""The times of the Kafka thread follow from the settings."""

from __future__ import annotations

import pytest

from journeys.settings import load
from journeys.worker.assembly import rules_of


@pytest.mark.parametrize(("timeout", "waited"), [("3s", 3.0), ("10s", 10.0), ("15m", 30.0)])
def test_transaction_is_abandoned_at_its_timeout(timeout: str, waited: float) -> None:
    """It was aborted when its time-out was over; no rebalance is served while a worker waits for it."""
    settings = load(None, {"JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": timeout})
    assert rules_of(settings).pace.transaction_s == waited
