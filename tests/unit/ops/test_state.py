"""The sentence of a worker's state, its reasons, and the commands of problems."""

from __future__ import annotations

import pytest

from journeys.model import Position
from journeys.ops.health import ADVICE, DEGRADED, UNREADY, Degraded, Readiness, Report, Trouble, Unready
from journeys.ops.state import Kind, Orders, Summary, command_for, duration, reasons, summarize

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC
NONE = Orders(
    due=0,
    in_hand=0,
    waiting=0,
    next_due=None,
    lag=0,
    lag_s=None,
    catch_up_s=0.0,
    per_s=0.0,
    published=0,
    retried=0,
    dead_lettered=0,
    dead_lettered_lately=0,
)


def orders(**changes: float | None) -> Orders:
    """The numbers of a quiet worker, with changes."""
    return Orders(**{**{name: getattr(NONE, name) for name in NONE.__struct_fields__}, **changes})


def summary(
    numbers: Orders = NONE,
    *,
    unready: dict[Unready, Trouble] | None = None,
    degraded: dict[Degraded, Trouble] | None = None,
    stuck: dict[str, str] | None = None,
    partitions: int = 6,
) -> Summary:
    """The sentence about a worker."""
    found = Readiness(unready=unready or {}, degraded=degraded or {})
    return summarize(found, Report(reasons=stuck or {}), numbers, partitions=partitions, now=NOON)


@pytest.mark.parametrize(
    ("numbers", "kind", "text"),
    [
        (orders(), "idle", "Idle: caught up, no order waits, 0 lost"),
        (orders(per_s=0.5, due=1), "working", "Working: 0.5 orders/s, 0 lost, caught up"),
        (orders(per_s=214.4, due=8560, catch_up_s=40.0), "working", "Working: 214 orders/s, 0 lost, caught up in 40 s"),
        (
            orders(per_s=20.0, due=9000, catch_up_s=None),
            "working",
            "Working: 20 orders/s, 0 lost, 9000 orders wait, not getting fewer",
        ),
        (
            orders(waiting=12, next_due=NOON + 600),
            "settling",
            "Settling: 12 orders wait for a due time, the next at 12:10 UTC; 0 lost",
        ),
        (
            orders(waiting=1, dead_lettered_lately=1),
            "settling",
            "Settling: 1 order waits for a due time; 0 lost; 1 dead letter in the last 15 minutes",
        ),
    ],
)
def test_a_ready_worker_says_how_far_it_is(numbers: Orders, kind: Kind, text: str) -> None:
    """Its pace, its losses, and the time to catch up or the next due time."""
    found = summary(numbers)
    assert (found.kind, found.text, found.runbook) == (kind, text, None)


def test_a_waiting_worker_names_cause_time_loss_and_next_step() -> None:
    """The sentence has the cause, since when, and how many orders wait; beside it stand the step and the runbook."""
    found = summary(orders(due=30, waiting=10), unready={"down": Trouble("20 in a row failed", NOON - 1140)})
    assert found == Summary(
        kind="waiting",
        text="Waiting: the API does not answer, since 11:41 UTC; 40 orders wait, none is lost",
        since=NOON - 1140,
        remedy=ADVICE["down"].remedy,
        runbook="/runbook#the-api-is-down",
    )


def test_the_first_cause_is_named_of_several_reasons() -> None:
    """A starting worker is in no group yet; that is no second fault. The list has all reasons."""
    trouble = Trouble("why", NOON - 100_000)
    unready: dict[Unready, Trouble] = {"group": trouble, "producer": trouble, "starting": trouble}
    found = summary(unready=unready)
    assert found.kind == "starting"
    assert found.text.startswith("Starting: the worker looks up its topics and schemas, since 2023-11-14 08:13 UTC")
    listed = reasons(Readiness(unready=unready, degraded={"pace": trouble}))
    assert [(reason.name, reason.unready) for reason in listed] == [
        ("starting", True),
        ("producer", True),
        ("group", True),
        ("pace", False),
    ]


def test_a_degraded_worker_works_and_names_the_fault() -> None:
    """Orders go on, so the kind stays `working`."""
    found = summary(orders(per_s=3.0), degraded={"pace": Trouble("a pause of 5 s", NOON)})
    assert (found.kind, found.runbook) == ("working", "/runbook#the-api-throttles")
    assert found.text == "Working: 3.0 orders/s, 0 lost; but the API asks for pauses, since 12:00 UTC"


def test_a_stuck_worker_says_so_before_anything_else() -> None:
    """It cannot mend itself, whatever else holds."""
    found = summary(unready={"down": Trouble("why", NOON)}, stuck={"kafka": "no sign of life for 60 s"})
    assert (found.kind, found.text) == ("stuck", "Stuck: kafka: no sign of life for 60 s")


def test_a_worker_without_a_partition_stands_by() -> None:
    """A worker in reserve has no fault."""
    assert summary(partitions=0).kind == "standing-by"


def test_each_reason_has_its_place_in_the_sentence() -> None:
    """A reason that the rule leaves out would show a broken worker as working."""
    for name in UNREADY:
        assert ADVICE[name].state in summary(unready={name: Trouble("why", NOON)}).text
    for degraded in DEGRADED:
        assert ADVICE[degraded].state in summary(degraded={degraded: Trouble("why", NOON)}).text


def test_the_command_of_a_problem_can_be_pasted_into_a_shell() -> None:
    """Order ids come from outside, so they are quoted."""
    at = Position(topic="orders.dead-letter", partition=0, offset=17)
    assert command_for("dead-lettered", order_id="1", sent_to=at) == "journeys dead-letters show 0/17"
    assert command_for("retried", order_id="A-1", sent_to=at) == "journeys show A-1"
    assert command_for("retried", order_id="-x; rm *", sent_to=None) == "journeys show -- '-x; rm *'"
    assert command_for("dead-lettered", order_id=None, sent_to=None) == "journeys dead-letters list"


def test_durations_are_short() -> None:
    """One unit is enough for a decision."""
    assert [duration(seconds) for seconds in (40, 720, 10_800, 200_000)] == ["40 s", "12 min", "3 h", "2 days"]
