"""Whether the targets beside the peers are reached, and what the report says where something was not measured."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.report import targets, text, write

Row = dict[str, Any]

FINE = {"owed": 10, "whole": 10, "half": 0, "lost": 0, "stalled": 0, "doubled": 0, "strange": 0}


def row(name: str, rate: float, cpu: float, memory: float, *, lost: int = 0) -> Row:
    """A peer that was measured."""
    speed = {"orders": 10, "rate": rate, "cpu_ms": cpu, "memory_mib": memory, "wrong": 0, "restarts": 0}
    disaster = {"resumed_s": 1.0, "restarts": 0, "account": {**FINE, "lost": lost}}
    return {
        "name": name,
        "guarantee": "some",
        "speed": [{**speed, "account": FINE}],
        "outage": disaster,
        "kill": {**disaster, "account": FINE, "half_after_kill": 0},
    }


def verdicts(*rows: Row) -> list[str]:
    """Those of all targets, in their order."""
    return [target.verdict for target in targets(rows)]


def test_every_target_is_reached_at_its_bound() -> None:
    """A value equal to the bound reaches the target."""
    rows = [
        row("journeys", 130, 0.2, 40),
        row("parallel-consumer", 100, 0.5, 100, lost=1),
        row("bento", 65, 1.0, 50),
        row("script", 10, 9.0, 30),
    ]
    assert verdicts(*rows) == ["reached"] * 6


def test_the_worst_peer_for_the_worker_decides() -> None:
    """The report compares the worker with the fastest peer."""
    rows = [row("journeys", 130, 0.2, 40, lost=1), row("script", 10, 9, 30), row("asyncio", 66, 9, 30, lost=2)]
    assert verdicts(*rows) == ["not measured", "missed", "not measured", "not measured", "not measured", "missed"]


def test_ratios_compare_rounds_of_one_turn() -> None:
    """The machine may change between turns, and a turn that failed has no ratio."""
    worker, peer = row("journeys", 1, 1, 1), row("parallel-consumer", 1, 1, 1)
    worker["speed"] = [{**worker["speed"][0], "rate": rate} for rate in (140, 280, 70)] + [{"failed": "no orders"}]
    peer["speed"] = [{**peer["speed"][0], "rate": rate} for rate in (100, 200, 100, 10)]
    judged = targets([worker, peer])[0]
    assert (judged.found, judged.verdict) == ("1.40 x (0.70 to 1.40)", "reached")
    assert "a turn failed: no orders" in text({"options": {"outage": 30.0, "turns": 4}, "rows": [worker, peer]})


def test_an_unmeasured_target_is_neither_reached_nor_missed() -> None:
    """A missing measurement does not break the tables either."""
    failed = {**row("journeys", 1, 1, 1), "speed": [{"failed": "no orders"}], "outage": {"failed": "no orders"}}
    rows = [failed, {"name": "bento", "guarantee": "some", "why": "no Go here"}]
    assert verdicts(*rows) == ["not measured"] * 6
    found = {"options": {"outage": 30.0, "turns": 1}, "rows": rows}
    assert "failed: no orders" in text(found)
    assert any("**not run**: no Go here" in line for line in write(found))
