"""The request at the start of a worker, and what it does to the gate."""

from __future__ import annotations

import asyncio

import pytest

from journeys.clock import Clock
from journeys.errors import OrderError
from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.failures import failure
from journeys.fetcher.pages import Answer
from journeys.fetcher.probe import probe


class Api:
    """An API that gives one answer, or fails."""

    def __init__(self, outcome: Answer | OrderError) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, int]] = []

    async def ask(self, order_id: str, page: int) -> Answer:
        """Answer, or fail."""
        self.asked.append((order_id, page))
        if isinstance(self.outcome, OrderError):
            raise self.outcome
        return self.outcome

    def refresh_key(self) -> None:
        """There is no key."""


def probed(outcome: Answer | OrderError) -> tuple[str | None, list[str]]:
    """The reason of the failure, and the reasons for which the gate is shut afterwards."""

    async def main() -> tuple[str | None, list[str]]:
        keeper = Gatekeeper(Gate(), RateLimiter(None), slots=1, chance=lambda: 0.5, changed=lambda _: None)
        api = Api(outcome)
        error = await probe(api, keeper, codes={}, clock=Clock())
        assert api.asked == [("journeys-probe", 1)]
        return None if error is None else error.reason, list(keeper.reasons)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("outcome", "reason", "gate"),
    [
        (Answer(status=401, body=b""), "status-401", ["auth"]),
        (Answer(status=403, body=b""), "status-403", ["auth"]),
        (Answer(status=429, body=b"", retry_after="5"), "status-429", ["pace"]),
        (Answer(status=503, body=b""), "status-503", []),
        (failure("connect", "the API refuses connections"), "connect", []),
        (Answer(status=404, body=b""), "status-404", []),
        (Answer(status=400, body=b""), "status-400", []),
    ],
)
def test_only_a_refused_key_and_a_throttled_probe_shut_the_gate(
    outcome: Answer | OrderError, reason: str, gate: list[str]
) -> None:
    """Any other answer shows that the key is not refused, and a failure says nothing about orders."""
    assert probed(outcome) == (reason, gate)
