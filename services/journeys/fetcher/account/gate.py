"""The gate of one account: shut while there is any reason why its requests should not go out. Pure.

    reason     shuts when                                              opens when
    down       requests of many orders fail, in a row or mostly        a probe is answered
    auth       the key is refused                                      a probe is not refused
    pace       the API asks for a pause                                the pause is over
    flood      orders end as dead letters, in a row or mostly          `resume`
    operator   `hold`                                                  `resume`

While the API is down, or the key is refused, single probes find out whether that is still so, each with an order that
is in hand. Nothing else opens the gate then: an answer to a request that was sent before says nothing of now. An order
that fails by itself does not shut it, however often it does: that takes many.

Times come in as arguments, in seconds of a monotonic clock; so does chance, as `jitter` in [0, 1).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from journeys.fetcher.backoff import Backoff

Reason: TypeAlias = Literal["down", "auth", "pace", "flood", "operator"]

REASONS: Final[tuple[Reason, ...]] = ("down", "auth", "pace", "flood", "operator")
_PROBED: Final[frozenset[Reason]] = frozenset({"down", "auth"})
_HELD: Final[frozenset[Reason]] = frozenset({"flood", "operator"})
_KEYLESS: Final = "the API wants a key, and none is set: JOURNEYS_API__KEY_FILE or JOURNEYS_API__KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is too much: so many in a row, or such a share of at least `least` within `window` seconds; 0 is never."""

    run: int
    share: float
    least: int
    window: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """When the gate shuts, and how it opens again."""

    failures: Limit = field(default_factory=lambda: Limit(run=20, share=0.5, least=40, window=30.0))
    orders: int = 20
    """Of so many different orders at least must the failures be: a handful that fail by themselves are no outage."""
    dead_letters: Limit = field(default_factory=lambda: Limit(run=50, share=0.5, least=100, window=300.0))
    probes: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=10.0))
    pauses: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=30.0))
    """Where the API asks for a pause and does not say how long."""
    longest_pause: float = 300.0
    """The most that is believed of what the API asks for."""
    has_key: bool = True
    """Whether requests bear a key: a refusal has another remedy where none is set."""


class Gate:
    """The reasons of one account, and what they are drawn from. Belongs to the event loop; any thread may read it."""

    def __init__(self, policy: GatePolicy | None = None) -> None:
        self._policy = policy or GatePolicy()
        self._reasons: dict[Reason, str] = {}
        self._failures = _Tally(self._policy.failures, self._policy.orders)
        self._dead_letters = _Tally(self._policy.dead_letters, 1)
        self._probes = 0  # in vain, in a row
        self._probe_at = 0.0
        self._is_probing = False
        self._pauses = 0  # of no length, in a row
        self._paused_until = -math.inf
        # The last two orders that the API answered for: to tell whether others than a given one are heard.
        self._heard, self._heard_before = ("", -math.inf), ("", -math.inf)

    @property
    def is_shut(self) -> bool:
        """Whether requests wait."""
        return bool(self._reasons)

    @property
    def is_down(self) -> bool:
        """Whether the API is taken for down: a request that fails then says nothing about its order."""
        return "down" in self._reasons

    @property
    def is_probed(self) -> bool:
        """Whether it takes an order's request to open it."""
        return not _PROBED.isdisjoint(self._reasons)

    @property
    def is_held(self) -> bool:
        """Whether only people can open it."""
        return not _HELD.isdisjoint(self._reasons)

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """Why it is shut, in words for people."""
        return dict(self._reasons)

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Whether the API answered for another order since then: where it did, a failure is this order's own."""
        order, at = self._heard if self._heard[0] != order_id else self._heard_before
        return order != "" and at >= since

    # -- what requests come to

    def answered(self, order_id: str, *, is_probe: bool, now: float) -> None:
        """The API answered for an order: with a page, or with what it thinks of the order."""
        if order_id != self._heard[0]:
            self._heard_before = self._heard
        self._heard = (order_id, now)
        self._pauses = 0
        self._failures.add(None, now)
        if is_probe:
            self._found_open("down", "auth")

    def failed(self, order_id: str, reason: str, *, now: float) -> None:
        """A request failed in a way that passes."""
        if not self.is_down and (told := self._failures.add(order_id, now)):
            self._reasons["down"] = f"{told} failed, the last with {reason}"
            self._probe_after(now, self._policy.probes.base_s)

    def refused(self, reason: str, *, is_probe: bool, now: float, jitter: float) -> None:
        """The key was refused: so the API is up."""
        if is_probe:
            self._found_open("down")
        if "auth" not in self._reasons:
            told = "the API does not accept the key" if self._policy.has_key else _KEYLESS
            self._reasons["auth"] = f"{told} ({reason})"
            self._probe_after(now, self._policy.probes.wait(1, jitter=jitter))

    def throttled(self, asked: float | None, *, is_probe: bool, now: float, jitter: float) -> None:
        """The API asks for a pause, of so many seconds if it says so: so it is up."""
        if is_probe:
            self._found_open("down")
        if asked:  # "at once" is no pause: refused requests would spin
            seconds = min(asked, self._policy.longest_pause)
        elif now < self._paused_until:
            return  # others of the same burst have paused already
        else:
            self._pauses += 1
            seconds = self._policy.pauses.wait(self._pauses, jitter=jitter)
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            self._reasons["pace"] = f"the API asks for a pause of {seconds:.3g} s"

    def ended(self, *, is_dead: bool, now: float) -> None:
        """An order left, as a dead letter or not."""
        told = self._dead_letters.add("any" if is_dead else None, now)
        if told:
            self._reasons.setdefault("flood", f"{told} became dead letters; `journeys dead-letters resume` goes on")

    # -- people

    def hold(self) -> None:
        """Shut it until `resume`."""
        self._reasons["operator"] = "an operator holds it"

    def resume(self) -> list[Reason]:
        """Take away what only people can; which reasons these were."""
        held = [reason for reason in self._reasons if reason in _HELD]
        for reason in held:
            del self._reasons[reason]
        self._dead_letters.clear()
        return held

    # -- time

    def changes_in(self, now: float) -> float:
        """Seconds until it opens by itself, or until a probe is due; infinite where neither comes."""
        if self.is_held:
            return math.inf
        waits = [self._paused_until - now] if "pace" in self._reasons else []
        if self.is_probed:
            waits.append(math.inf if self._is_probing else self._probe_at - now)
        return max(0.0, *waits) if waits else math.inf

    def tick(self, now: float) -> bool:
        """End a pause that is over. Whether a probe is due now; `probe` is to be called for one that is sent."""
        if now >= self._paused_until:
            self._reasons.pop("pace", None)
        due = not self._is_probing and now >= self._probe_at
        return due and bool(self._reasons) and _PROBED.issuperset(self._reasons)

    def probe(self) -> None:
        """A probe is on its way."""
        self._is_probing = True

    def probe_ended(self, *, now: float, jitter: float) -> None:
        """It came to nothing, or was never sent: another one follows, a little later than this one did."""
        self._probes += 1
        self._probe_after(now, self._policy.probes.wait(self._probes, jitter=jitter))

    def _probe_after(self, now: float, seconds: float) -> None:
        self._is_probing = False
        self._probe_at = now + seconds

    def _found_open(self, *reasons: Reason) -> None:
        for reason in reasons:
            if self._reasons.pop(reason, None) is not None:
                self._probes = 0
                self._is_probing = False
                self._failures.clear()


@dataclass(slots=True)
class _Slice:
    at: int
    good: int = 0
    bad: int = 0
    orders: set[str] = field(default_factory=set)


class _Tally:
    """How often something goes wrong: in a row, and as a share of a moving window, kept in ten slices."""

    def __init__(self, limit: Limit, orders: int) -> None:
        self._limit = limit
        self._orders = orders
        self._width = limit.window / 10
        self._slices: deque[_Slice] = deque()
        self._run = 0
        self._run_orders: set[str] = set()

    def add(self, order_id: str | None, now: float) -> str | None:
        """One that went well (None), or wrong for an order. What it comes to, in words, where it is too much."""
        at = int(now / self._width)
        if not self._slices or self._slices[-1].at != at:
            self._slices.append(_Slice(at=at))
            while self._slices[0].at <= at - 10:
                self._slices.popleft()
        newest = self._slices[-1]
        if order_id is None:
            newest.good += 1
            if self._run:
                self._run = 0
                self._run_orders.clear()
            return None
        newest.bad += 1
        self._run += 1
        for orders in (newest.orders, self._run_orders):
            if len(orders) < self._orders:
                orders.add(order_id)
        return self._verdict()

    def clear(self) -> None:
        """Begin anew."""
        self._slices.clear()
        self._run = 0
        self._run_orders.clear()

    def _verdict(self) -> str | None:
        limit = self._limit
        if 0 < limit.run <= self._run and len(self._run_orders) >= self._orders:
            return f"{self._run} in a row"
        bad = sum(each.bad for each in self._slices)
        total = bad + sum(each.good for each in self._slices)
        if limit.share <= 0 or total < limit.least or bad < limit.share * total:
            return None
        several = set().union(*(each.orders for each in self._slices))
        return f"{bad} of {total} within {limit.window:.0f} s" if len(several) >= self._orders else None
