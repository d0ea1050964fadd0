"""One table: every failure of a request or a page, and the verdict that decides what happens next.

docs/failures.md shows this table; a test holds the two equal. A failure that is in no row is a defect of ours: it
stops the worker, so that no order is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from journeys.errors import (
    NotFoundYetError,
    OrderError,
    RejectedOrderError,
    ThrottledError,
    TransientError,
    UnauthorizedError,
    Verdict,
)

Meaning: TypeAlias = Literal["auth", "pace", "passing", "absent", "order"]
"""The meaning of a `code` other than 1 (JOURNEYS_API__CODES); an unmapped code is `passing`."""

MEANINGS: Final[Mapping[Meaning, Verdict]] = {
    "auth": Verdict.WAIT,
    "pace": Verdict.SLOW_DOWN,
    "passing": Verdict.AGAIN,
    "absent": Verdict.LATER,
    "order": Verdict.DEAD_LETTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A row of the table: the reason as in headers, metrics and logs, the verdict, and a description."""

    reason: str
    verdict: Verdict
    what: str


ANY_STATUS: Final = "status-…"
ANY_CODE: Final = "code-…"

FAILURES: Final = tuple(
    Failure(reason=reason, verdict=verdict, what=what)
    for reason, verdict, what in (
        ("connect", Verdict.AGAIN, "no connection to the API: refused, no route, no such host, TLS"),
        ("timeout", Verdict.AGAIN, "no connection, or no answer, in time"),
        ("disconnected", Verdict.AGAIN, "the connection broke before the whole answer had arrived"),
        ("transport", Verdict.AGAIN, "any other fault in HTTP"),
        ("not-decodable", Verdict.AGAIN, "the body cannot be decompressed"),
        ("status-429", Verdict.SLOW_DOWN, "the API throttles requests"),
        ("status-401", Verdict.WAIT, "the API does not accept the key"),
        ("status-403", Verdict.WAIT, "the key lacks the permission"),
        ("key-file", Verdict.WAIT, "the key file cannot be read"),
        ("status-404", Verdict.LATER, "the API does not know the order yet"),
        ("status-204", Verdict.LATER, "the API has no content for the order"),
        ("no-journey", Verdict.LATER, "an answer without events, with `total` 0 or none: there is no journey yet"),
        ("status-400", Verdict.DEAD_LETTER, "the API refuses the request for this order"),
        ("status-422", Verdict.DEAD_LETTER, "the API refuses a value of the request for this order"),
        ("page-too-large", Verdict.DEAD_LETTER, "the page exceeds JOURNEYS_API__MAX_PAGE_BYTES"),
        ("journey-too-large", Verdict.DEAD_LETTER, "the journey exceeds JOURNEYS_API__MAX_EVENTS"),
        (ANY_STATUS, Verdict.AGAIN, "any other status but 200: 408, 5xx, redirects"),
        ("not-json", Verdict.AGAIN, "the body is not JSON: HTML, cut off, empty"),
        ("not-an-object", Verdict.AGAIN, "the body is JSON, but not an object"),
        ("no-data", Verdict.AGAIN, "the answer has no `data` object"),
        ("no-events", Verdict.AGAIN, "`data` has no list of events"),
        ("wrong-types", Verdict.AGAIN, "`code`, `total`, `page` or `page_size` is not a valid integer"),
        ("wrong-order", Verdict.AGAIN, "the answer is for another order"),
        ("wrong-page", Verdict.AGAIN, "the answer is for another page"),
        ("journey-unsettled", Verdict.AGAIN, "the journey vanished while it was read"),
        (ANY_CODE, Verdict.AGAIN, "a `code` other than 1; JOURNEYS_API__CODES gives it another verdict"),
    )
)

REQUEST_REASONS: Final = (
    *(
        row.reason
        for row in FAILURES
        if row.reason not in {ANY_STATUS, ANY_CODE, "no-journey", "journey-too-large", "journey-unsettled"}
    ),
    *(f"status-{status}" for status in (500, 502, 503, 504)),
)
"""The reasons of a failed request that are known beforehand. Other ones come from a status or a `code`."""
_ANSWERS: Final = frozenset(
    {
        "not-decodable",
        "not-json",
        "not-an-object",
        "no-data",
        "no-events",
        "wrong-types",
        "wrong-order",
        "wrong-page",
    }
)
_VERDICTS: Final = {row.reason: row.verdict for row in FAILURES}
_ERRORS: Final[Mapping[Verdict, type[OrderError]]] = {
    kind.verdict: kind
    for kind in (TransientError, ThrottledError, UnauthorizedError, NotFoundYetError, RejectedOrderError)
}


def verdicts(codes: Mapping[int, Meaning]) -> Mapping[str, Verdict]:
    """Return the verdict of each reason that is known beforehand, also of each `code` that has a meaning in `codes`."""
    return _VERDICTS | {f"code-{code}": MEANINGS[meaning] for code, meaning in codes.items()}


def is_answer(reason: str) -> bool:
    """Return whether the server answered for this order, although not with a journey."""
    return reason in _ANSWERS or reason.startswith("code-")


def failure(reason: str, message: str) -> OrderError:
    """Return the error for a reason of the table. Raises KeyError for any other reason."""
    return _ERRORS[_VERDICTS[reason]](message, reason=reason)


def status_failure(status: int, *, retry_after_s: float | None) -> OrderError:
    """Return the error for a status other than 200. `retry_after_s` is None if the answer has none."""
    reason, message = f"status-{status}", f"the API answered {status}"
    kind = _ERRORS[_VERDICTS.get(reason, _VERDICTS[ANY_STATUS])]
    if kind is ThrottledError:
        return ThrottledError(message, reason=reason, retry_after_s=retry_after_s)
    return kind(message, reason=reason)


def code_failure(code: int, codes: Mapping[int, Meaning]) -> OrderError:
    """Return the error for a `code` other than 1, by its meaning in `codes`."""
    verdict = MEANINGS[codes[code]] if code in codes else _VERDICTS[ANY_CODE]
    return _ERRORS[verdict](f"the API answered code {code}", reason=f"code-{code}")
