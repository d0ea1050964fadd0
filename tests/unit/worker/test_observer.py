"""What the worker says of itself: here, whether it is ready."""

from __future__ import annotations

from journeys.ops.health import Health
from journeys.ops.metrics import Metrics
from journeys.worker.observer import WorkerObserver


def test_a_worker_that_fell_out_of_its_group_is_not_ready() -> None:
    """A partition that goes in good order changes nothing; one that was lost does, until the next assignment."""
    health = Health()
    observer = WorkerObserver(metrics=Metrics(), health=health, channels={}, rejected_topic="rejected")
    seen = []
    observer.assigned([("orders", 0)])
    for lost in (False, True):
        observer.revoked([("orders", 0)], lost=lost)
        seen.append("kafka.group" in health.readiness().reasons)
    observer.assigned([])
    seen.append("kafka.group" in health.readiness().reasons)
    assert seen == [False, True, False]
