"""Hands out turns: every request of the account waits here for the gate, for a slot, and for its pace.

The rules are in `gate` and `rate`; this is the shell that makes requests wait for them, on the event loop. While only
a probe may pass, those that wait take turns at it, and one that has not been tried in this outage goes first. Where
all of them have been, or none is there, the gatekeeper asks for one more order (`wants_one_more`). So a few orders that
fail by themselves never keep out all the others.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

import msgspec

from journeys.clock import Clock
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.rate import RateLimiter

_TICK = 0.001
"""Seconds; timers are no finer."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to send one request for an order."""

    order_id: str
    is_probe: bool
    sent: float
    """When, by the monotonic clock."""


class Gatekeeper:
    """One for each account. Belongs to the event loop; other threads may read `is_shut` and use `wants_one_more`.

    `changed` is told the reasons for which the gate is shut, each time they are others.
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
        self._waiting: dict[asyncio.Future[bool], str] = {}  # and the order that each is for
        self._probed: set[str] = set()  # orders that were tried in vain since the gate was open
        self._timer: asyncio.TimerHandle | None = None
        self._told: Mapping[Reason, str] = {}
        self.turns = 0
        """Turns that were given since the start."""
        self.wants_one_more = False
        """Whether one more order should come in although the gate is shut; the Kafka thread answers by `admit_one`."""

    @property
    def is_shut(self) -> bool:
        """Whether requests wait."""
        return self._gate.is_shut

    @property
    def is_probed(self) -> bool:
        """Whether it takes an order's request to let the others pass."""
        return self._gate.is_probed

    @property
    def is_held(self) -> bool:
        """Whether only people can open the gate: then nothing new is begun at all."""
        return self._gate.is_held

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """Why requests wait."""
        return self._gate.reasons

    @property
    def rate(self) -> float:
        """Requests per second that may be sent; infinite where there is no bound."""
        return self._limiter.rate(self._clock.monotonic())

    # -- turns

    async def turn(self, order_id: str) -> Turn:
        """Wait for a turn. `heard`, `failed`, `refused`, `throttled` or `cancelled` is to end it."""
        if self._gate.is_shut and await self._wait(order_id):
            return self._begin(order_id, is_probe=True)
        await self._slots.acquire()
        is_probe = True
        try:
            is_probe = await self._in_line(order_id)
        finally:
            if is_probe:  # or cancelled
                self._slots.release()
        return self._begin(order_id, is_probe=is_probe)

    def answered(self, turn: Turn) -> None:
        """The API answered for this order: with a page, or with what it thinks of the order."""
        now = self._end(turn)
        self._limiter.accepted(sent=turn.sent, now=now)
        self._gate.answered(turn.order_id, is_probe=turn.is_probe, now=now)
        if turn.is_probe:
            self._look()

    def failed(self, turn: Turn, reason: str) -> bool:
        """The request failed in a way that passes. Whether that counts against its order."""
        now = self._end(turn)
        counts = not self._gate.is_down
        self._gate.failed(turn.order_id, reason, now=now)
        self._after(turn)
        return counts

    def refused(self, turn: Turn, reason: str) -> None:
        """The key was refused."""
        now = self._end(turn)
        self._gate.refused(reason, is_probe=turn.is_probe, now=now, jitter=self._chance())
        self._after(turn)

    def throttled(self, turn: Turn, asked: float | None) -> None:
        """The API asks for a pause, of so many seconds if it says so."""
        now = self._end(turn)
        self._limiter.throttled(sent=turn.sent, now=now)
        self._gate.throttled(asked, is_probe=turn.is_probe, now=now, jitter=self._chance())
        self._after(turn)

    def cancelled(self, turn: Turn) -> None:
        """The request was cancelled."""
        self._end(turn)
        self._after(turn)

    def admit_one(self) -> None:
        """The order that was wanted is in. Called from the Kafka thread; never blocks."""
        self.wants_one_more = False

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Whether the API answered for another order since then, by the monotonic clock."""
        return self._gate.others_answered(order_id, since=since)

    # -- what else moves the gate

    def ended(self, *, is_dead: bool) -> None:
        """An order left, as a dead letter or not."""
        self._gate.ended(is_dead=is_dead, now=self._clock.monotonic())
        if is_dead:
            self._look()

    def hold(self) -> None:
        """Let nothing pass until `resume`."""
        self._gate.hold()
        self._look()

    def resume(self) -> list[Reason]:
        """Go on after a flood of dead letters, or after `hold`; which of the two it was."""
        opened = self._gate.resume()
        self._look()
        return opened

    # -- inside

    def _begin(self, order_id: str, *, is_probe: bool) -> Turn:
        self.turns += 1
        return Turn(order_id=order_id, is_probe=is_probe, sent=self._clock.monotonic())

    def _end(self, turn: Turn) -> float:
        if not turn.is_probe:  # a probe takes neither slot nor place in the line: those who have them wait for it
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

    async def _in_line(self, order_id: str) -> bool:
        """Wait for the pace, first come, first served, also while the gate is shut; whether it ends as a probe."""
        if not (self._limiter.is_bound or self._gate.is_shut):
            return False
        async with self._next_in_line:
            while True:
                if self._gate.is_shut and await self._wait(order_id):
                    return True
                delay = self._limiter.delay(self._clock.monotonic())
                if delay <= 0:
                    break
                await asyncio.sleep(max(delay, _TICK))
            self._limiter.take(self._clock.monotonic())
            return False

    async def _wait(self, order_id: str) -> bool:
        """Until the gate is open, or a probe is due and this order's turn; whether it is a probe."""
        passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[passed] = order_id
        self._look()
        try:
            return await passed
        except asyncio.CancelledError:
            if passed.done() and not passed.cancelled() and passed.result():
                self._probe_failed(order_id)
            raise
        finally:
            self._waiting.pop(passed, None)

    def _look(self) -> None:
        """Act on what the gate says now, tell of it where it says something else, and come back when it changes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        probe_is_due = self._gate.tick(now)
        reasons = self._gate.reasons
        if not reasons:
            self._let_all_pass()
        elif probe_is_due:
            self._let_one_pass()
        # A probe that is due although nobody waits is for the next one that comes.
        if 0 < (wait := self._gate.changes_in(now)) < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(wait, _TICK), self._look)
        if reasons != self._told:
            self._told = reasons
            self._changed(reasons)

    def _let_all_pass(self) -> None:
        self.wants_one_more = False
        self._probed.clear()
        for passed in self._waiting:
            if not passed.done():
                passed.set_result(False)

    def _let_one_pass(self) -> None:
        waiting = {passed: order for passed, order in self._waiting.items() if not passed.done()}
        untried = next((passed for passed, order in waiting.items() if order not in self._probed), None)
        self.wants_one_more = untried is None
        if (chosen := untried or next(iter(waiting), None)) is not None:
            self._gate.probe()
            chosen.set_result(True)
