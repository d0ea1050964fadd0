"""Reasons of /readyz that follow from what happens in the worker, and the log lines that say the same."""

from __future__ import annotations

import io
import json

import pytest
from tests.support.happenings import COMMITTED, aborted, why

from journeys.fetcher.account.gate import Reason
from journeys.logs import configure
from journeys.ops.health import Health
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import (
    Assigned,
    GroupsChanged,
    Happening,
    Hooks,
    KafkaUnreachable,
    OrderTopicsMissing,
    OutcomeRecovered,
    Revoked,
    TransactionEnded,
)
from journeys.worker.hooks.log_lines import LogHook
from journeys.worker.hooks.readiness import ReadinessHook


def test_worker_is_unready_while_a_group_has_an_obstacle() -> None:
    """Each group is named with its own reason; each new reason is logged once, and the end of the last one too."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    seen = []
    for obstacles in (
        {"journeys": "the group is full", "journeys.retry": "not a member of the group yet"},
        {"journeys": "the group is full"},
        {},
    ):
        hooks.notify(GroupsChanged(obstacles))
        seen.append(why(health, "group"))
    assert seen == [
        "journeys: the group is full; journeys.retry: not a member of the group yet",
        "journeys: the group is full",
        None,
    ]
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["group"]) for line in lines] == [
        ("group.waiting", "journeys"),
        ("group.waiting", "journeys.retry"),
        ("group.joined", "journeys.retry"),
        ("group.joined", "journeys"),
    ]


def test_gate_reasons_are_logged_once_and_in_readyz() -> None:
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
        assert (why(health, "down"), why(health, "flood")) == (reasons.get("down"), reasons.get("flood"))
        pace = health.readiness().degraded.get("pace")
        assert (pace and pace.why) == reasons.get("pace")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == [
        "api.failing",
        "dead_letters.flood",
        "api.recovered",
        "api.paused",
        "dead_letters.resumed",
    ]


def test_awaited_registry_is_logged_once_and_in_readyz() -> None:
    """Readiness has the newest reason for as long as they wait."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    seen = []
    for reason in ("it answers HTTP 503", "it cannot be asked", None, "it answers HTTP 401"):
        hooks.registry(reason)
        seen.append(why(health, "registry"))
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


def test_an_unknown_outcome_makes_the_worker_unready_until_it_is_read_back() -> None:
    """Also while Kafka does not answer the question."""
    health = Health()
    hook = ReadinessHook(health)
    seen = []
    for happening in (
        OutcomeRecovered(published=0, owed=0),
        TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1),
        KafkaUnreachable("no answer"),
        OutcomeRecovered(published=1, owed=0),
    ):
        hook(happening)
        seen.append(why(health, "producer"))
    assert seen == [
        None,
        "the outcome of the last transaction is being read back",
        "Kafka does not answer: no answer",
        None,
    ]


def test_three_transactions_without_a_commit_make_the_worker_unready() -> None:
    """Whatever the cause, also if outcomes are read back in between. A commit ends it, a rebalance resets the count."""
    health = Health()
    hook = ReadinessHook(health)
    hook(OutcomeRecovered(published=0, owed=0))
    before: tuple[Happening, ...] = (aborted(), aborted(), Revoked((), lost=False), aborted(), aborted())
    for happening in before:
        hook(happening)
    assert why(health, "producer") is None
    for happening in (aborted(), OutcomeRecovered(published=0, owed=1)):
        hook(happening)
        assert why(health, "producer") == (
            "3 transactions in a row were not committed, the last one: NOT_ENOUGH_REPLICAS: too few"
        )
    hook(COMMITTED)
    assert why(health, "producer") is None


def test_search_for_a_record_that_is_too_large_is_no_setback() -> None:
    """Three transactions abort until the record is found; then the order becomes a dead letter."""
    health = Health()
    hook = ReadinessHook(health)
    hook(OutcomeRecovered(published=0, owed=0))
    found = TransactionEnded(Result(outcome=Outcome.ABORTED, oversized=frozenset({0})), (), 0.1)
    for happening in (aborted(), aborted(), found):
        hook(happening)
    assert why(health, "producer") is None


def test_worker_is_ready_once_all_orders_in_doubt_turn_out_published() -> None:
    """No transaction follows that could be committed."""
    health = Health()
    hook = ReadinessHook(health)
    for _ in range(3):
        hook(TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1))
        hook(OutcomeRecovered(published=0, owed=1))
    assert why(health, "producer") is not None
    hook(OutcomeRecovered(published=1, owed=0))
    assert why(health, "producer") is None


def test_rebalance_does_not_hide_an_outcome_in_doubt() -> None:
    """A new assignment says nothing about Kafka's answer."""
    health = Health()
    hook = ReadinessHook(health)
    before: tuple[Happening, ...] = (
        OutcomeRecovered(published=0, owed=0),
        TransactionEnded(Result(outcome=Outcome.UNKNOWN), (), 0.1),
        Assigned([("orders", 0)]),
    )
    for happening in before:
        hook(happening)
    assert why(health, "producer") == "the outcome of the last transaction is being read back"
    hook(OutcomeRecovered(published=0, owed=0))
    assert why(health, "producer") is None


@pytest.mark.parametrize(
    ("abort", "begin", "end", "remedy"),
    [
        (aborted(missing="journey.ads"), "topic.missing", "topic.found", "journeys topics create"),
        (aborted(forbidden="journey.ads"), "topic.forbidden", "topic.allowed", "Write"),
    ],
)
def test_topic_that_takes_no_records_is_logged_once_and_in_readyz(
    abort: TransactionEnded, begin: str, end: str, remedy: str
) -> None:
    """The line names topic and remedy. Kafka answers, so `topic` is the only reason, even after three aborts."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    hooks.notify(OutcomeRecovered(published=0, owed=0))
    for happening in (aborted(), aborted(), aborted(), abort, abort):
        hooks.notify(happening)
    assert str(why(health, "topic")).startswith("journey.ads takes no records: ")
    assert why(health, "producer") is None
    hooks.notify(COMMITTED)
    assert why(health, "topic") is None
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["topic"]) for line in lines if "topic" in line] == [
        (begin, "journey.ads"),
        (end, "journey.ads"),
    ]
    [named] = [line["remedy"] for line in lines if "remedy" in line]
    assert remedy in named


def test_missing_order_topic_is_logged_once_and_in_readyz() -> None:
    """Beside a journey topic, and whatever else is committed meanwhile."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    health = Health()
    hooks = Hooks(LogHook(rejected_topic="rejected"), ReadinessHook(health))
    for happening in (
        OrderTopicsMissing(["orders"]),
        aborted(missing="journey.ads"),
        OrderTopicsMissing(["orders", "retries"]),
    ):
        hooks.notify(happening)
    for part in ("orders does not exist", "retries does not exist", "journey.ads takes no records"):
        assert part in str(why(health, "topic"))
    hooks.notify(COMMITTED)
    assert "journey.ads" not in str(why(health, "topic"))
    hooks.notify(OrderTopicsMissing([]))
    assert why(health, "topic") is None
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["topic"]) for line in lines if line["event"].startswith("topic.")] == [
        ("topic.missing", "orders"),
        ("topic.missing", "journey.ads"),
        ("topic.missing", "retries"),
        ("topic.found", "journey.ads"),
        ("topic.found", "orders"),
        ("topic.found", "retries"),
    ]
