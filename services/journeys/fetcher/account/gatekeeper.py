"""Gives each request its turn: it waits here for the gate, for a slot, and for the rate limiter.

The rules are in `gate` and `rate`. Requests wait for the gate in `line`; this module makes them wait for the others, on
the event loop, and reports how each request ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from journeys.clock import Clock
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.line import TICK_S, Line
from journeys.fetcher.account.rate import RateLimiter


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

    Belongs to the event loop. Other threads may read its properties and `turns`. `changed` is called with the gate's
    reasons each time they change; it must not block.
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
        self._clock = clock or Clock()
        self._rate_lock = asyncio.Lock()  # its holder is the next to send
        self.line = Line(gate, chance=chance, changed=changed, clock=self._clock)
        """The orders that wait for the gate."""
        self.turns = 0
        """Turns given since the start."""

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
        if self._gate.is_shut and await self.line.wait(order_id, has_failed=has_failed):
            return self._begin(order_id, has_failed=has_failed, is_probe=True)
        await self._slots.acquire()
        is_probe = True
        try:
            is_probe = await self._wait_for_rate(order_id, has_failed=has_failed)
        finally:
            if is_probe:  # or cancelled
                self._slots.release()
        return self._begin(order_id, has_failed=has_failed, is_probe=is_probe)

    def answered(self, turn: Turn) -> None:
        """End the turn: the API answered for this order, with a page or with a verdict on the order."""
        now = self._end(turn)
        self._limiter.accepted(sent=turn.sent, now=now)
        self._gate.answered(turn.order_id, is_probe=turn.is_probe, now=now)
        if turn.is_probe:
            self.line.update()

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

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Return whether the API answered for another order since then, on the monotonic clock."""
        return self._gate.others_answered(order_id, since=since)

    # -- what else moves the gate

    def ended(self, *, is_dead: bool) -> None:
        """Count an order that left the worker, as a dead letter or not."""
        self._gate.ended(is_dead=is_dead, now=self._clock.monotonic())
        if is_dead:
            self.line.update()

    def hold(self) -> None:
        """Shut the gate until `resume`."""
        self._gate.hold()
        self.line.update()

    def resume(self) -> list[Reason]:
        """Open the gate after a flood of dead letters or `hold`. Returns the reasons that were removed."""
        opened = self._gate.resume()
        self.line.update()
        return opened

    # -- inside

    def _begin(self, order_id: str, *, has_failed: bool, is_probe: bool) -> Turn:
        self.turns += 1
        sent = self._clock.monotonic()
        return Turn(order_id=order_id, has_failed=has_failed, is_probe=is_probe, sent=sent)

    def _end(self, turn: Turn) -> float:
        if not turn.is_probe:  # a probe has no slot: orders that wait for the probe may hold all of them
            self._slots.release()
        return self._clock.monotonic()

    def _after(self, turn: Turn) -> None:
        if turn.is_probe:
            self.line.probe_failed(turn.order_id)
        else:
            self.line.update()

    async def _wait_for_rate(self, order_id: str, *, has_failed: bool) -> bool:
        """Wait for the rate limiter, first come, first served, and for the gate. Returns whether this is a probe."""
        if not (self._limiter.is_bound or self._gate.is_shut):
            return False
        async with self._rate_lock:
            while True:
                if self._gate.is_shut and await self.line.wait(order_id, has_failed=has_failed):
                    return True
                delay = self._limiter.delay(self._clock.monotonic())
                if delay <= 0:
                    break
                await asyncio.sleep(max(delay, TICK_S))
            self._limiter.take(self._clock.monotonic())
            return False
