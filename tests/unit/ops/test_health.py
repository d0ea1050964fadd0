"""Readiness, as reasons."""

from __future__ import annotations

from journeys.ops.health import Health


def test_worker_is_ready_when_each_need_is_met() -> None:
    """At first three things are missing, and each is named."""
    health = Health()
    assert set(health.readiness().reasons) == {"kafka.producer", "kafka.group", "registry.schemas"}
    health.met("kafka.producer")
    health.met("kafka.group")
    assert not health.readiness().good
    health.met("registry.schemas")
    assert health.readiness().good


def test_need_may_fail_again_with_a_new_reason() -> None:
    """The newest reason is the one shown."""
    health = Health()
    health.unmet("api.gate", "no key")
    health.unmet("api.gate", "401 since 12:00")
    assert health.readiness().reasons["api.gate"] == "401 since 12:00"


def test_a_report_does_not_change_afterwards() -> None:
    """It is written out on another thread's time."""
    health = Health()
    report = health.readiness()
    health.met("kafka.group")
    assert "kafka.group" in report.reasons
