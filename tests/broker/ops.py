"""Asks a worker's ops server, and sends it commands."""

from __future__ import annotations

import json
from typing import Any

import fastjsonschema
import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.broker.workers import Worker, until
from tests.support import runbook

from journeys.ops import console


def address_of(worker: Worker) -> str:
    """The address of its ops server."""
    [line] = worker.until("ops.listening")
    return str(line["address"])


def reasons(address: str, path: str = "/readyz") -> dict[str, str]:
    """The reasons of a failing probe; empty if it passes."""
    answer = httpx.get(address + path, trust_env=False)
    body = answer.json()
    assert (answer.status_code, body["ok"]) == ((503, False) if body["reasons"] else (200, True))
    return {name: reason if isinstance(reason, str) else reason["why"] for name, reason in body["reasons"].items()}


def degraded(address: str) -> dict[str, str]:
    """The `degraded` reasons of a worker, which may be ready all the same."""
    degraded_by = httpx.get(f"{address}/readyz", trust_env=False).json()["degraded"]
    return {name: reason["why"] for name, reason in degraded_by.items()}


def state(address: str) -> dict[str, Any]:
    """The answer of /state.json, which is as its schema describes it."""
    found = httpx.get(f"{address}/state.json", trust_env=False).json()
    fastjsonschema.compile(json.loads(console.SCHEMA.read_text("utf-8")))(found)
    return dict(found)


def oldest_order(address: str) -> str | None:
    """The id of the order that has been in hand for longest; None if there is none."""
    order = httpx.get(f"{address}/readyz", trust_env=False).json()["oldest_order"]
    return None if order is None else str(order["order_id"])


def measured(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    """All metrics: name → label values → value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{address}/metrics", trust_env=False).text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def control(address: str, path: str) -> dict[str, Any]:
    """Send a POST to the worker. Returns its answer."""
    answer = httpx.post(address + path, headers={"X-Journeys": path.strip("/")}, trust_env=False)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def walk(state: str, worker: Worker, address: str) -> None:
    """Wait for a state of docs/runbook.md, and check that the worker shows what its section promises, and no other."""
    expected = runbook.states()[state]
    worker.until(str(expected.event))
    wanted = {expected.unready, expected.degraded} - {None}
    until(lambda: {*reasons(address), *degraded(address)} == wanted, f"{wanted} in /readyz")
    runbook.walk(state, _shown(worker, address))


def walk_end(state: str, worker: Worker) -> None:
    """Check that a worker ended with code 1, and with a last line as its section of docs/runbook.md promises."""
    assert worker.process.wait(60) == 1, worker.raw()
    assert worker.lines()[-1]["event"] == "worker.failed"
    runbook.walk_end(state, worker.lines()[-1]["reason"])


def stay_healthy(worker: Worker, address: str) -> None:
    """Check that no alert of docs/runbook.md can fire for a worker, and that nothing is in its way."""
    runbook.stay_healthy(_shown(worker, address))


def _shown(worker: Worker, address: str) -> runbook.Shown:
    return runbook.Shown(
        events={line["event"] for line in worker.lines()},
        unready=set(reasons(address)),
        degraded=set(degraded(address)),
        metrics=measured(address),
    )
