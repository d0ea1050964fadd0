"""What the worker says of itself: here, whether it is ready."""

from __future__ import annotations

import io
import json

from journeys.fetcher.account.gate import Reason
from journeys.logs import configure
from journeys.ops.health import Health
from journeys.worker.hooks import Assigned, Hooks, OrdersWaiting, Revoked
from journeys.worker.observer import LogHook, ReadinessHook


def test_a_worker_that_fell_out_of_its_group_is_not_ready() -> None:
    """A partition that goes in good order changes nothing; one that was lost does, until the next assignment."""
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    seen = []
    hooks.notify(Assigned([("orders", 0)]))
    for lost in (False, True):
        hooks.notify(Revoked([("orders", 0)], lost))
        seen.append("kafka.group" in health.readiness().reasons)
    hooks.notify(Assigned([]))
    seen.append("kafka.group" in health.readiness().reasons)
    assert seen == [False, True, False]


def test_the_gate_is_told_by_reason() -> None:
    """Readiness names every reason; each is logged once when it comes and once when it goes; a pause only comes."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    stages: list[dict[Reason, str]] = [
        {"down": "10 in a row failed"},
        {"down": "10 in a row failed", "flood": "50 in a row became dead letters"},
        {"flood": "50 in a row became dead letters"},
        {"pace": "a pause of 5 s"},
        {},
    ]
    for reasons in stages:
        hooks.gate(reasons)
        text = health.readiness().reasons.get("api.gate", "")
        assert text == "; ".join(f"{name}: {why}" for name, why in reasons.items())
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == [
        "api.failing",
        "dead_letters.flood",
        "api.recovered",
        "api.paused",
        "dead_letters.resumed",
    ]


def test_waiting_orders_are_told_once_until_none_waits() -> None:
    """With the time when the next of them is due."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    hook = LogHook(rejected_topic="rejected")
    for orders in (2, 3, 0, 1):
        hook(OrdersWaiting(orders, 1_700_000_000.5 if orders else None))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["orders"], line["next_due"]) for line in lines] == [
        ("orders.waiting", 2, "2023-11-14T22:13:20.500000+00:00"),
        ("orders.waiting", 1, "2023-11-14T22:13:20.500000+00:00"),
    ]


def test_a_registry_that_orders_wait_for_is_told_once_until_none_waits() -> None:
    """Readiness has the newest reason for as long as they wait."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    health.met("registry.schemas")
    seen = []
    for reason in ("it answers HTTP 503", "it cannot be asked", None, "it answers HTTP 401"):
        hooks.registry(reason)
        seen.append(health.readiness().reasons.get("registry.schemas"))
    assert seen == [
        "orders in Avro wait for their schemas: it answers HTTP 503",
        "orders in Avro wait for their schemas: it cannot be asked",
        None,
        "orders in Avro wait for their schemas: it answers HTTP 401",
    ]
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["reason"]) for line in lines] == [
        ("registry.failing", "warning", "it answers HTTP 503"),
        ("registry.failing", "warning", "it answers HTTP 401"),
    ]
