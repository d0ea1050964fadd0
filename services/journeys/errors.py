"""Every error of the project, as one tree.

    JourneysError
      SettingsError            wrong settings; exit 2, before any connection
      HaltError                the worker cannot go on; exit 1 with this reason
        SetupError             a broker, topic or subject is missing; names the command that mends it
      OrderError               one order cannot be published now; carries a verdict and a reason
        TransientError           connect or read error, time-out, 5xx, 408, broken body      AGAIN
        ThrottledError         429, with the pause it asks for                             SLOW_DOWN
        UnauthorizedError      401, 403                                                    WAIT
        NotFoundYetError            404, or a journey of no events: not there yet               LATER
        RejectedOrderError           400, 422, too large a journey, an unreadable message        DEAD_LETTER

An error that concerns an order says what to do next by its `verdict`; nobody parses its text. Which failure of the
API comes to which of them is one table, in `fetcher/failures.py`. `reason` is a
stable word for headers, metrics and logs. No text here ever holds an event, a key or an e-mail address.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Verdict(StrEnum):
    """What a failure asks for."""

    AGAIN = "again"
    """Try again in the process; when the tries are used up, a retry tier."""
    SLOW_DOWN = "slow-down"
    """Wait as long as asked, then try again; no try is counted."""
    WAIT = "wait"
    """Our configuration is at fault: wait for it to be mended; no try is counted."""
    LATER = "later"
    """Leave the process: a retry tier."""
    DEAD_LETTER = "dead-letter"
    """Nothing will mend this order by itself."""


class JourneysError(Exception):
    """The root of the tree."""


class SettingsError(JourneysError):
    """Settings are wrong. `problems` names each: (setting, what is wrong with it)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{name}: {what}" for name, what in problems))


class HaltError(JourneysError):
    """The worker cannot go on; it stops with exit code 1 and this reason."""


class SetupError(HaltError):
    """Something outside is missing or does not fit. `remedy` is the command that mends it, or None."""

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
    """A fault that passes by itself."""

    verdict = Verdict.AGAIN


class ThrottledError(OrderError):
    """The API asks for a pause. `retry_after` is in seconds, None where the answer names none."""

    verdict = Verdict.SLOW_DOWN

    def __init__(self, message: str, *, reason: str, stage: str = "fetch", retry_after: float | None = None) -> None:
        self.retry_after = retry_after
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
