"""When every request to the API fails, however few there are."""

from __future__ import annotations

import pytest

from journeys.ops.failing import FailingRequests


def test_failures_are_reported_after_30_s_whatever_their_number() -> None:
    """Two failures are enough, and the last one is named."""
    failing = FailingRequests({})
    failing.ended("connect", 100.0)
    assert failing.why(129.9) is None
    failing.ended("connect", 130.0, "the API refuses connections")
    assert failing.why(130.0) == (
        "all requests failed since the last answer (2), the last one with connect (the API refuses connections)"
    )


@pytest.mark.parametrize("outcome", ["ok", "status-404", "status-400"])
def test_answer_of_the_api_ends_the_failures(outcome: str) -> None:
    """A verdict on an order is an answer, too; the next failure begins anew."""
    failing = FailingRequests({})
    failing.ended("connect", 100.0)
    failing.ended(outcome, 140.0)
    assert failing.why(140.0) is None
    failing.ended("connect", 150.0)
    assert failing.why(170.0) is None


@pytest.mark.parametrize("outcome", ["status-429", "status-401", "cancelled"])
def test_pause_refused_key_and_cancelled_request_say_nothing(outcome: str) -> None:
    """They begin no run of failures, and end none."""
    failing = FailingRequests({})
    failing.ended(outcome, 100.0)
    assert failing.why(200.0) is None
    failing.ended("timeout", 200.0)
    failing.ended(outcome, 210.0)
    assert failing.why(230.0) is not None


def test_code_counts_by_its_meaning() -> None:
    """The settings say that 4001 means no journey yet: that is an answer. Other codes are failures."""
    failing = FailingRequests({4001: "absent"})
    for outcome, at in (("code-7", 100.0), ("code-4001", 110.0), ("code-4001", 200.0)):
        failing.ended(outcome, at)
    assert failing.why(200.0) is None
    failing.ended("code-7", 210.0)
    assert failing.why(240.0) is not None
