"""The table of failures: each row has its error, and the page for people shows the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys.errors import ThrottledError, Verdict
from journeys.fetcher.failures import FAILURES, MEANINGS, Failure, code_failure, failure, status_failure

PAGE = Path(__file__).parents[3] / "docs" / "failures.md"
VERDICTS = {
    "connect": "again",
    "timeout": "again",
    "disconnected": "again",
    "transport": "again",
    "not-decodable": "again",
    "status-429": "slow-down",
    "status-401": "wait",
    "status-403": "wait",
    "key-file": "wait",
    "status-404": "later",
    "status-204": "later",
    "no-journey": "later",
    "status-400": "dead-letter",
    "status-422": "dead-letter",
    "page-too-large": "dead-letter",
    "journey-too-large": "dead-letter",
    "status-…": "again",
    "not-json": "again",
    "not-an-object": "again",
    "no-data": "again",
    "no-events": "again",
    "wrong-types": "again",
    "wrong-order": "again",
    "wrong-page": "again",
    "journey-unsettled": "again",
    "code-…": "again",
}


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.reason)
def test_each_row_has_its_verdict(row: Failure) -> None:
    """The error of a row bears its reason and its verdict; what is said stays as it is said."""
    error = failure(row.reason, "in words")
    assert (error.reason, error.verdict, str(error)) == (row.reason, row.verdict, "in words")
    assert row.verdict.value == VERDICTS[row.reason]


def test_the_table_has_no_other_row() -> None:
    """Each reason once, and none that this test does not know."""
    assert [row.reason for row in FAILURES] == list(VERDICTS)


def test_an_unknown_reason_is_a_defect() -> None:
    """It must not pass for anything."""
    with pytest.raises(KeyError):
        failure("moon-phase", "full")


@pytest.mark.parametrize("status", [302, 405, 408, 418, 500, 502, 503, 504])
def test_any_other_status_is_transient(status: int) -> None:
    """A status that the table does not name may pass, under its own reason."""
    error = status_failure(status, retry_after_s=7.0)
    assert (error.verdict, error.reason) == (Verdict.AGAIN, f"status-{status}")


def test_throttling_keeps_its_length() -> None:
    """429 carries what Retry-After asks for."""
    error = status_failure(429, retry_after_s=7.0)
    assert isinstance(error, ThrottledError)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("meaning", "verdict"),
    [("auth", "wait"), ("pace", "slow-down"), ("passing", "again"), ("absent", "later"), ("order", "dead-letter")],
)
def test_each_meaning_of_a_code_has_its_verdict(meaning: str, verdict: str) -> None:
    """A mapped code means what it is mapped to."""
    [known] = [each for each in MEANINGS if each == meaning]
    error = code_failure(4001, {4001: known})
    assert (error.verdict.value, error.reason) == (verdict, "code-4001")


def test_an_unmapped_code_is_transient() -> None:
    """Also if other codes are mapped."""
    assert code_failure(7, {8: "order"}).verdict is Verdict.AGAIN


def test_the_page_shows_the_table() -> None:
    """docs/failures.md has every row of both tables, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [f"| `{row.reason}` | {row.verdict.value} | {row.what} |" for row in FAILURES]
    rows += [f"| `{meaning}` | {verdict.value} |" for meaning, verdict in MEANINGS.items()]
    assert [line for line in text.splitlines() if line in rows] == rows
