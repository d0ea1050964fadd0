"""Rules about the API."""

from __future__ import annotations

import pytest

from journeys.doctor import api
from journeys.doctor.api import Probed
from journeys.doctor.report import Status
from journeys.errors import OrderError, ThrottledError
from journeys.fetcher.failures import code_failure, failure, status_failure
from journeys.fetcher.pages import Answer
from journeys.settings import load

SETTINGS = load(None, {"JOURNEYS_API__BASE_URL": "http://me:s3cret@api.test"})
WITH_KEY = load(None, {"JOURNEYS_API__KEY": "k"})


def probed(
    error: OrderError | None = None, *, status: int | None = 200, date: str | None = None, at: float = 0.0
) -> Probed:
    """An answer with this status, which a worker would take for this error; None: no answer."""
    answer = None if status is None else Answer(status=status, body=b"", date=date)
    return Probed(answer=answer, error=error, took_s=0.25, at=at)


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        (probed(), Status.OK, "http://***@api.test answers in 250 ms"),
        (probed(status_failure(404, retry_after_s=None), status=404), Status.OK, "answers"),
        (probed(status_failure(400, retry_after_s=None), status=400), Status.OK, "answers"),
        (probed(status_failure(401, retry_after_s=None), status=401), Status.OK, "answers"),
        (probed(ThrottledError("429", reason="status-429"), status=429), Status.WARN, "throttles"),
        (probed(code_failure(4001, {})), Status.WARN, "code 4001"),
        (probed(status_failure(503, retry_after_s=None), status=503), Status.FAIL, "status-503"),
        (probed(failure("not-json", "the body is not JSON")), Status.FAIL, "not-json"),
        (probed(failure("connect", "the API refuses connections"), status=None), Status.FAIL, "refuses connections"),
    ],
)
def test_address_is_judged_by_the_answer(found: Probed, status: Status, text: str) -> None:
    """An API that answers 404, 400 or 401 works; one that answers HTML is probably another server."""
    finding = api.answers(SETTINGS, found)
    assert finding.status is status
    assert text in finding.detail


def test_refused_key_fails() -> None:
    """The remedy names the setting that holds the key."""
    refused = probed(status_failure(401, retry_after_s=None), status=401)
    assert api.key(WITH_KEY, refused).remedy == "set the right key in JOURNEYS_API__KEY"
    missing = api.key(SETTINGS, refused)
    assert (missing.status, missing.remedy) == (Status.FAIL, "set JOURNEYS_API__KEY_FILE")
    assert api.key(WITH_KEY, probed()).status is Status.OK
    assert "none is set" in api.key(SETTINGS, probed(status_failure(404, retry_after_s=None), status=404)).detail
    throttled = probed(ThrottledError("429", reason="status-429"), status=429)
    assert api.key(WITH_KEY, throttled).status is Status.SKIPPED


@pytest.mark.parametrize(
    ("at", "status", "text"),
    [
        (1_000_000_000.9, Status.OK, "less than 10 s"),
        (1_000_000_042.0, Status.WARN, "42.0 s ahead of"),
        (999_999_900.0, Status.WARN, "100.0 s behind"),
    ],
)
def test_clock_is_compared_with_the_date_of_the_answer(at: float, status: Status, text: str) -> None:
    """A date has a resolution of one second."""
    finding = api.clock(probed(date="Sun, 09 Sep 2001 01:46:40 GMT", at=at))
    assert finding.status is status
    assert text in finding.detail


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_answer_without_a_date_skips_the_clock(date: str | None) -> None:
    """HTTP does not demand one."""
    assert api.clock(probed(date=date)).status is Status.SKIPPED
