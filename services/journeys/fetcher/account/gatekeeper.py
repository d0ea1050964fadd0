"""Gives each request its turn: it waits here for the gate, for a slot, and for the rate limiter.

The rules are in `gate` and `rate`; this module makes requests wait for them, on the event loop. During an outage only
a probe may pass. Waiting orders take turns as probes; an order that has not been a probe in this outage goes first. If
every waiting order has been one, or none waits, the gatekeeper asks for one more order (`wants_one_more`). So a few
bad orders never keep the gate shut for all others.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

import msgspec

from journeys.clock import Clock
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.rate import RateLimiter

_TICK_S = 0.001
"""The resolution of timers."""
_FIRST_WAVE = 8
"""Orders that pass at once when the gate opens; twice as many pass in each wave that follows."""
_WAVE_S = 0.05
"""Time from one wave to the next."""


class _Waiting(msgspec.Struct, frozen=True):
    """An order that waits for the gate."""

    order_id: str
    has_failed: bool


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The permission to send one request for an order."""

    order_id: str
    has_failed: bool
    """Whether an earlier try or attempt of this order failed."""
    is_probe: bool
    sent: float
    """When the request was sent, on the monotonic clock, in seconds."""


class Gatekeeper:
    """Gives turns to the requests of one account: at most `slots` at a time.

    Belongs to the event loop. Other threads may read its properties, `turns` and `wants_one_more`, and call
    `admit_one`. `changed` is called with the gate's reasons each time they change; it must not block.
    """

    def __init__(
        self,
        gate: Gate,
        limiter: RateLimiter,
        *,
        slots: int,
        chance: Callable[[], float],
        changed: Callable[[Mapping[Reason, str]], object],
        clock: Clock | None = None,
    ) -> None:
        self._gate = gate
        self._limiter = limiter
        self._slots = asyncio.Semaphore(slots)
        self._chance = chance
        self._changed = changed
        self._clock = clock or Clock()
        self._next_in_line = asyncio.Lock()
        self._waiting: dict[asyncio.Future[bool], _Waiting] = {}
        self._wave = _FIRST_WAVE  # orders that pass in the next wave
        self._wave_at = -math.inf  # when it may pass
        self._probed: set[str] = set()  # orders that failed as a probe since the gate was open
        self._timer: asyncio.TimerHandle | None = None
        self._reported: Mapping[Reason, str] = {}
        self.turns = 0
        """Turns given since the start."""
        self.wants_one_more = False
        """Whether the Kafka thread should admit one more order although the gate is shut; it then calls `admit_one`."""

    @property
    def is_shut(self) -> bool:
        """Whether requests wait."""
        return self._gate.is_shut

    @property
    def is_probed(self) -> bool:
        """Whether only a probe can open the gate."""
        return self._gate.is_probed

    @property
    def is_held(self) -> bool:
        """Whether only an operator can open the gate: then no new order is begun."""
        return self._gate.is_held

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """Why the gate is shut, in words, by reason."""
        return self._gate.reasons

    @property
    def rate(self) -> float:
        """The present rate in requests per second; infinite if there is no limit."""
        return self._limiter.rate(self._clock.monotonic())

    # -- turns

    async def turn(self, order_id: str, *, has_failed: bool = False) -> Turn:
        """Wait for a turn. End it with `answered`, `failed`, `refused`, `throttled` or `cancelled`.

        `has_failed` says whether an earlier try or attempt of this order failed. When the gate opens, such orders pass
        after the others, and a probe is rather one of the others.
        """
        order = _Waiting(order_id, has_failed)
        if self._gate.is_shut and await self._wait(order):
            return self._begin(order, is_probe=True)
        await self._slots.acquire()
        is_probe = True
        try:
            is_probe = await self._in_line(order)
        finally:
            if is_probe:  # or cancelled
                self._slots.release()
        return self._begin(order, is_probe=is_probe)

    def answered(self, turn: Turn) -> None:
        """End the turn: the API answered for this order, with a page or with a verdict on the order."""
        now = self._end(turn)
        self._limiter.accepted(sent=turn.sent, now=now)
        self._gate.answered(turn.order_id, is_probe=turn.is_probe, now=now)
        if turn.is_probe:
            self._look()

    def failed(self, turn: Turn, reason: str, detail: str = "") -> bool:
        """End the turn: the request failed in a way that may pass; `detail` says more than its reason.

        Returns whether it counts as a try.
        """
        now = self._end(turn)
        counts = not self._gate.is_down
        self._gate.failed(turn.order_id, reason, has_failed=turn.has_failed, now=now, detail=detail)
        self._after(turn)
        return counts

    def refused(self, turn: Turn, reason: str) -> None:
        """End the turn: the API refused the key."""
        now = self._end(turn)
        self._gate.refused(reason, is_probe=turn.is_probe, now=now, jitter=self._chance())
        self._after(turn)

    def throttled(self, turn: Turn, asked: float | None) -> None:
        """End the turn: the API throttled the request and asks for a pause of `asked` seconds, if it gives a length."""
        now = self._end(turn)
        self._limiter.throttled(sent=turn.sent, now=now)
        self._gate.throttled(asked, is_probe=turn.is_probe, now=now, jitter=self._chance())
        self._after(turn)

    def cancelled(self, turn: Turn) -> None:
        """End the turn: the request was cancelled."""
        self._end(turn)
        self._after(turn)

    def admit_one(self) -> None:
        """Note that the wanted order is admitted. Called from the Kafka thread; never blocks."""
        self.wants_one_more = False

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Return whether the API answered for another order since then, on the monotonic clock."""
        return self._gate.others_answered(order_id, since=since)

    # -- what else moves the gate

    def ended(self, *, is_dead: bool) -> None:
        """Count an order that left the worker, as a dead letter or not."""
        self._gate.ended(is_dead=is_dead, now=self._clock.monotonic())
        if is_dead:
            self._look()

    def hold(self) -> None:
        """Shut the gate until `resume`."""
        self._gate.hold()
        self._look()

    def resume(self) -> list[Reason]:
        """Open the gate after a flood of dead letters or `hold`. Returns the reasons that were removed."""
        opened = self._gate.resume()
        self._look()
        return opened

    # -- inside

    def _begin(self, order: _Waiting, *, is_probe: bool) -> Turn:
        self.turns += 1
        sent = self._clock.monotonic()
        return Turn(order_id=order.order_id, has_failed=order.has_failed, is_probe=is_probe, sent=sent)

    def _end(self, turn: Turn) -> float:
        if not turn.is_probe:  # a probe has no slot: orders that wait for the probe may hold all of them
            self._slots.release()
        return self._clock.monotonic()

    def _after(self, turn: Turn) -> None:
        if turn.is_probe:
            self._probe_failed(turn.order_id)
        else:
            self._look()

    def _probe_failed(self, order_id: str) -> None:
        self._probed.add(order_id)
        self._gate.probe_ended(now=self._clock.monotonic(), jitter=self._chance())
        self._look()

    async def _in_line(self, order: _Waiting) -> bool:
        """Wait for the rate limiter, first come, first served, and for the gate. Returns whether this is a probe."""
        if not (self._limiter.is_bound or self._gate.is_shut):
            return False
        async with self._next_in_line:
            while True:
                if self._gate.is_shut and await self._wait(order):
                    return True
                delay = self._limiter.delay(self._clock.monotonic())
                if delay <= 0:
                    break
                await asyncio.sleep(max(delay, _TICK_S))
            self._limiter.take(self._clock.monotonic())
            return False

    async def _wait(self, order: _Waiting) -> bool:
        """Wait until the gate opens, or until this order is chosen as a probe. Returns whether it is a probe."""
        passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[passed] = order
        self._look()
        try:
            return await passed
        except asyncio.CancelledError:
            if passed.done() and not passed.cancelled() and passed.result():
                self._probe_failed(order.order_id)
            raise
        finally:
            self._waiting.pop(passed, None)

    def _look(self) -> None:
        """Let requests pass as the gate allows now, report changed reasons, and set a timer for the next change."""
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
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, _TICK_S), self._look)
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
