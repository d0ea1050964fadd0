"""Rules about the order-event API, from its answer to one request for an order that does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from journeys.doctor.report import Finding, fail, ok, skipped, warn
from journeys.errors import NotFoundYetError, OrderError, RejectedOrderError, ThrottledError, UnauthorizedError
from journeys.fetcher.failures import is_answer
from journeys.fetcher.pages import Answer, http_date
from journeys.redact import without_credentials
from journeys.settings import Settings

_SKEW_S: Final = 10.0
"""A clock that differs by more is worth a warning. A date has a resolution of one second, and the answer takes time."""
_HEALTHY: Final = (NotFoundYetError, RejectedOrderError, ThrottledError, UnauthorizedError)
"""Errors of an API that works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The answer to the request."""

    answer: Answer | None
    """None if none came."""
    error: OrderError | None
    """The failure, as a worker would see it; None for a page."""
    took_s: float
    at: float
    """The middle of the request, in seconds since the epoch, by the clock of this machine."""


def answers(settings: Settings, probed: Probed) -> Finding:
    """Whether the address is that of a working API."""
    place = without_credentials(settings.api.base_url)
    error, answer = probed.error, probed.answer
    values = {"took_ms": round(probed.took_s * 1000), "http_status": None if answer is None else answer.status}
    if error is None or isinstance(error, _HEALTHY):
        text = f"{place} answers in {_seconds(probed.took_s)}"
        if isinstance(error, ThrottledError):
            return warn(
                f"{text}, and throttles requests", "others use this account: divide JOURNEYS_API__RATE", values=values
            )
        return ok(text, values=values)
    if error.reason.startswith("code-"):
        return warn(
            f"{place} answers with {error.reason.replace('-', ' ', 1)}: its meaning is not set",
            "ask the API's owner, then set JOURNEYS_API__CODES",
            values=values,
        )
    remedy = "see JOURNEYS_API__BASE_URL, JOURNEYS_API__VERSION and the proxy"
    if answer is not None and not is_answer(error.reason):
        remedy = "wait until the API works again; a worker waits, too"
    return fail(f"{place}: {error} ({error.reason})", remedy, values=values)


def key(settings: Settings, probed: Probed) -> Finding:
    """Whether the API accepts the key."""
    api, error = settings.api, probed.error
    place = "JOURNEYS_API__KEY_FILE" if api.key_file is not None else "JOURNEYS_API__KEY"
    if isinstance(error, UnauthorizedError):
        if not api.has_key:
            return fail(f"the API wants a key, and none is set ({error.reason})", "set JOURNEYS_API__KEY_FILE")
        return fail(f"the API does not accept the key ({error.reason})", f"set the right key in {place}")
    if isinstance(error, ThrottledError):
        return skipped("the API throttled the request before it said so")
    if not api.has_key:
        return ok("none is set, and the API does not ask for one")
    return ok(f"the API accepts the key of {place}")


def clock(probed: Probed) -> Finding:
    """Whether this machine's clock agrees with that of the API."""
    answer = probed.answer
    theirs = None if answer is None or answer.date is None else http_date(answer.date)
    if theirs is None:
        return skipped("the answer has no date")
    skew_s = probed.at - theirs
    values = {"skew_s": round(skew_s, 1)}
    if abs(skew_s) > _SKEW_S:
        side = "ahead of" if skew_s > 0 else "behind"
        return warn(
            f"this machine's clock is {_seconds(abs(skew_s))} {side} that of the API",
            "synchronise it (NTP): times of retries, and the newest edition of an order, depend on it",
            values=values,
        )
    return ok(f"this machine and the API differ by less than {_SKEW_S:g} s", values=values)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
