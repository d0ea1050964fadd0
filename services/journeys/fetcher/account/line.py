"""Makes orders wait behind a shut gate, on the event loop, and lets them pass as the rules in `gate` allow.

During an outage only a probe may pass. Waiting orders take turns as probes; an order that has not been a probe in this
outage goes first. If every waiting order has been one, or none waits, the line asks for one more order
(`wants_one_more`). So a few bad orders never keep the gate shut for all others.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from journeys.clock import Clock
from journeys.fetcher.account.gate import Gate, Reason

TICK_S: Final = 0.001
"""The resolution of timers."""
_FIRST_WAVE = 8
"""Orders that pass at once when the gate opens; twice as many pass in each wave that follows."""
_WAVE_S = 0.05
"""Time from one wave to the next."""


class _Waiting(msgspec.Struct, frozen=True):
    """An order that waits for the gate."""

    order_id: str
    has_failed: bool


class Line:
    """The orders that wait for one gate.

    Belongs to the event loop. Other threads may read `is_shut` and `wants_one_more`, and call `admit_one`. `changed` is
    called with the gate's reasons each time they change; it must not block.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        chance: Callable[[], float],
        changed: Callable[[Mapping[Reason, str]], object],
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._chance = chance
        self._changed = changed
        self._clock = clock
        self._waiting: dict[asyncio.Future[bool], _Waiting] = {}
        self._wave = _FIRST_WAVE  # orders that pass in the next wave
        self._wave_at = -math.inf  # when it may pass
        self._probed: set[str] = set()  # orders that failed as a probe since the gate was open
        self._timer: asyncio.TimerHandle | None = None
        self._reported: Mapping[Reason, str] = {}
        self.wants_one_more = False
        """Whether the Kafka thread should admit one more order although the gate is shut; it then calls `admit_one`."""

    @property
    def is_shut(self) -> bool:
        """Whether orders wait."""
        return self._gate.is_shut

    def admit_one(self) -> None:
        """Note that the wanted order is admitted. Called from the Kafka thread; never blocks."""
        self.wants_one_more = False

    async def wait(self, order_id: str, *, has_failed: bool) -> bool:
        """Wait until the gate opens, or until this order is chosen as a probe. Returns whether it is a probe.

        `has_failed` says whether an earlier try or attempt of this order failed.
        """
        passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[passed] = _Waiting(order_id, has_failed)
        self.update()
        try:
            return await passed
        except asyncio.CancelledError:
            if passed.done() and not passed.cancelled() and passed.result():
                self.probe_failed(order_id)
            raise
        finally:
            self._waiting.pop(passed, None)

    def probe_failed(self, order_id: str) -> None:
        """Note that the probe with this order failed or was cancelled."""
        self._probed.add(order_id)
        self._gate.probe_ended(now=self._clock.monotonic(), jitter=self._chance())
        self.update()

    def update(self) -> None:
        """Let orders pass as the gate allows now, report changed reasons, and set a timer for the next change.

        Call it after each change of the gate.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        probe_is_due = self._gate.tick(now)
        reasons = self._gate.reasons
        wait_s = self._gate.changes_in(now)
        if not reasons:
            wait_s = self._let_wave_pass(now)
        else:
            self._wave, self._wave_at = _FIRST_WAVE, now
            if probe_is_due:
                self._let_one_pass()
                wait_s = self._gate.changes_in(now)
        # If a probe is due and no order waits, the next order to come is the probe.
        if 0 < wait_s < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, TICK_S), self.update)
        if reasons != self._reported:
            self._reported = reasons
            self._changed(reasons)

    def _let_wave_pass(self, now: float) -> float:
        """Let some of the waiting orders pass, those that have not failed first. Returns seconds until the next wave.

        Not all pass at once: a server that has just recovered would be overloaded again.
        """
        self.wants_one_more = False
        self._probed.clear()
        waiting = self._in_order()
        if waiting and now >= self._wave_at:
            for passed in waiting[: self._wave]:
                passed.set_result(False)
            waiting = waiting[self._wave :]
            self._wave, self._wave_at = 2 * self._wave, now + _WAVE_S
        return self._wave_at - now if waiting else math.inf

    def _let_one_pass(self) -> None:
        waiting = self._in_order()
        untried = next((passed for passed in waiting if self._waiting[passed].order_id not in self._probed), None)
        self.wants_one_more = untried is None
        if (chosen := untried or next((passed for passed in self._waiting if not passed.done()), None)) is not None:
            self._gate.probe()
            chosen.set_result(True)

    def _in_order(self) -> list[asyncio.Future[bool]]:
        """Return the waiting orders, those that have not failed first."""
        waiting = [passed for passed in self._waiting if not passed.done()]
        return sorted(waiting, key=lambda passed: self._waiting[passed].has_failed)
