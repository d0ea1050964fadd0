"""Decides whether every request to the API fails, however few there are. Sans-I/O: the time is an argument.

The gate shuts only after failures of many orders. A shop with few orders would never see it shut while the API cannot
be reached. This rule needs a time instead of a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from journeys.errors import Verdict
from journeys.fetcher.failures import Meaning, verdicts

PATIENCE_S: Final = 30.0
"""How long every request must have failed."""
_ANSWERED: Final = frozenset({Verdict.LATER, Verdict.DEAD_LETTER})
"""The verdicts on an order: the API answered. A pause and a refused key have reasons of their own."""


class FailingRequests:
    """Counts failures since the last answer. Times are in seconds of one monotonic clock.

    `codes` has the meaning of each `code` of an answer, as JOURNEYS_API__CODES gives it.
    """

    def __init__(self, codes: Mapping[int, Meaning]) -> None:
        self._verdicts = verdicts(codes)
        self._since: float | None = None
        self._failures = 0
        self._last = ""

    def ended(self, outcome: str, now: float, detail: str = "") -> None:
        """Count a request: `ok`, `cancelled`, or the reason of its failure, with more in `detail`."""
        verdict = self._verdicts.get(outcome, Verdict.AGAIN)
        if outcome == "ok" or verdict in _ANSWERED:
            self._since, self._failures = None, 0
        elif verdict is Verdict.AGAIN and outcome != "cancelled":
            self._since = now if self._since is None else self._since
            self._failures += 1
            self._last = f"{outcome} ({detail})" if detail else outcome

    def why(self, now: float) -> str | None:
        """What fails, once every request has failed for `PATIENCE_S`; None before, and after an answer."""
        since = self._since
        if since is None or now - since < PATIENCE_S:
            return None
        return f"all requests failed since the last answer ({self._failures}), the last one with {self._last}"
