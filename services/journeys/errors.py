"""Every error of the project, as one tree.

    JourneysError
      SettingsError            wrong settings; exit 2, before any connection
      HaltError                the worker cannot go on; exit 1 with this reason
        SetupError             a broker, topic or subject is missing; names the command that mends it
      OrderError               one order cannot be published now; carries a verdict and a reason
        TransientError         connect or read error, time-out, 5xx, 408, broken body      AGAIN
        ThrottledError         429, with the pause it asks for                             SLOW_DOWN
        UnauthorizedError      401, 403                                                    WAIT
        NotFoundYetError       404, or a journey without events: not there yet             LATER
        RejectedOrderError     400, 422, too large a journey, an unreadable message        DEAD_LETTER

The `verdict` of an OrderError says what happens next; its text is for people only. The table in
`fetcher/failures.py` maps each failure of the API to one of these errors. `reason` is a stable word for headers,
metrics and logs. No text here ever holds an event, a key or an e-mail address.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Verdict(StrEnum):
    """The decision about an order after a failure."""

    AGAIN = "again"
    """Quick tries in the process; after the last one, a retry tier."""
    SLOW_DOWN = "slow-down"
    """Wait as long as the API asks, then try again; does not count as a try."""
    WAIT = "wait"
    """Our configuration is at fault: wait until it is corrected; does not count as a try."""
    LATER = "later"
    """A retry tier at once, without quick tries."""
    DEAD_LETTER = "dead-letter"
    """A dead letter: another try cannot succeed."""


class JourneysError(Exception):
    """The base of all errors of this project."""


class SettingsError(JourneysError):
    """Settings are wrong. `problems` lists each as (setting, what is wrong with it)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems))


class HaltError(JourneysError):
    """The worker cannot go on; it stops with exit code 1 and this reason."""


class SetupError(HaltError):
    """A broker, topic or subject is missing or wrong. `remedy` is the command that corrects it, or None."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.remedy = remedy
        super().__init__(message)


class OrderError(JourneysError):
    """One order cannot be published now. `stage` is `message`, `fetch` or `publish`."""

    verdict: ClassVar[Verdict]

    def __init__(self, message: str, *, reason: str, stage: str = "fetch") -> None:
        self.reason = reason
        self.stage = stage
        super().__init__(message)


class TransientError(OrderError):
    """A fault that usually passes by itself."""

    verdict = Verdict.AGAIN


class ThrottledError(OrderError):
    """The API asks for a pause of `retry_after_s`; None if the answer gives no length."""

    verdict = Verdict.SLOW_DOWN

    def __init__(self, message: str, *, reason: str, stage: str = "fetch", retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, reason=reason, stage=stage)


class UnauthorizedError(OrderError):
    """The API does not accept the key."""

    verdict = Verdict.WAIT


class NotFoundYetError(OrderError):
    """The API has no journey for this order yet."""

    verdict = Verdict.LATER


class RejectedOrderError(OrderError):
    """This order can never be published as it is."""

    verdict = Verdict.DEAD_LETTER
