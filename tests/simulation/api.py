"""A model of the order-event API: journeys of many kinds, and times when it is down, strict, slow or shut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec
from tests.simulation.scheduler import Process, Scheduler

from journeys.errors import TransientError
from journeys.fetcher.pages import Answer

Kind: TypeAlias = Literal[
    "plain", "growing", "late", "absent", "refused", "large", "heavy", "unsteady", "visit", "short", "ill-formed"
]
"""growing: more events with time; late: no journey at first, and every other one of them heavy; large: more events than
are taken; heavy: an event that Kafka does not take; unsteady: `total` never agrees with the events; visit: pairs of
events have one id; short: `total` is 1, however many events there are; ill-formed: never an answer with a journey."""
_STEADY: frozenset[Kind] = frozenset({"plain", "unsteady", "visit", "short"})
Mood: TypeAlias = Literal["well", "down", "strict", "shut", "slow", "broken"]
"""strict: 429; shut: 401; broken: answers that are no answers."""

_ANSWERS: dict[Kind, Answer] = {
    "refused": Answer(status=400, body=b""),
    "ill-formed": Answer(status=200, body=b'{"code": 1, "message": "ok", "data": {"events": "?"}}'),
}
"""Kinds that always get the same answer."""

PAGE = 3
MAX_EVENTS = 40
HEAVY = "x" * 2000
_CHANNELS = ("ads", "email", "direct")


@dataclass(slots=True)
class Journey:
    """An order as the API knows it. A `growing` or `late` journey changes at the times in `changes`."""

    order_id: str
    kind: Kind
    events: int
    changes: tuple[float, ...] = ()
    is_disturbed: bool = False
    """Whether the API failed for it. A failure of an extra page is the end of a journey with too small a `total`."""

    def size(self, now: float) -> int:
        """How many events there are by now."""
        if self.kind == "absent":
            return 0
        if self.kind == "late":
            return self.events if now >= self.changes[0] else 0
        return self.events + sum(2 for change in self.changes if now >= change)

    @property
    def known_size(self) -> int | None:
        """How many events must be published; None if that depends on when the journey is read."""
        is_cut = self.kind == "short" and self.is_disturbed
        return self.events if self.kind in _STEADY and not is_cut else None

    @property
    def is_heavy(self) -> bool:
        """Whether its last event is one that Kafka does not take."""
        return self.kind == "heavy" or (self.kind == "late" and self.events % 2 == 1)

    def event(self, position: int) -> dict[str, str]:
        """One event; the same each time."""
        place = f"{self.order_id}-{position}"
        identity = f"{self.order_id}-{position // 2}" if self.kind == "visit" else place
        made = {"event_id": identity, "place": place, "event_type": _CHANNELS[position % 3]}
        if self.is_heavy and position == self.events - 1:
            made["text"] = HEAVY
        return made


@dataclass
class Api:
    """The API, for all processes."""

    scheduler: Scheduler
    random: Callable[[], float]
    latency: float = 0.2
    journeys: dict[str, Journey] = field(default_factory=dict)
    mood: Mood = "well"
    _moods: int = 0

    def be(self, mood: Mood, seconds: float) -> None:
        """Be so for a while."""
        self.mood = mood
        self._moods += 1
        number = self._moods

        def recover() -> None:
            if self._moods == number:
                self.mood = "well"

        self.scheduler.after(seconds, recover)

    def answer(self, order_id: str, page: int) -> Answer:
        """The answer of the API now. Raises TransientError while it cannot be reached."""
        mood = self.mood
        if mood in {"down", "broken"}:
            self.journeys[order_id].is_disturbed = True
        if mood == "down":
            if self.random() < 0.5:
                raise TransientError("the API cannot be reached", reason="connect")
            return Answer(status=503, body=b"")
        if mood == "strict" and self.random() < 0.7:
            return Answer(status=429, body=b"", retry_after="2" if self.random() < 0.5 else None)
        if mood == "shut":
            return Answer(status=401, body=b"")
        if mood == "broken" and self.random() < 0.5:
            return Answer(status=200, body=b'{"code": 1, "data": {"events"')
        journey = self.journeys[order_id]
        if journey.kind in _ANSWERS:
            return _ANSWERS[journey.kind]
        return Answer(status=200, body=_page(journey, page, journey.size(self.scheduler.now), self.random()))


def _page(journey: Journey, page: int, size: int, chance: float) -> bytes:
    total = 1 if journey.kind == "short" else size + (journey.kind == "unsteady")
    if journey.kind == "large":
        total = MAX_EVENTS + 1
    first = (page - 1) * PAGE
    events = [journey.event(position) for position in range(first, min(first + PAGE, size))]
    data = {"order_id": journey.order_id, "total": total, "page": page, "page_size": PAGE, "events": events}
    if size == 0 and chance < 0.5:
        return msgspec.json.encode({"code": 1, "data": {**data, "events": None}})
    return msgspec.json.encode({"code": 1, "data": data})


class ModelClient:
    """One process's way to the API."""

    def __init__(self, api: Api, process: Process) -> None:
        self._api = api
        self._process = process

    async def ask(self, order_id: str, page: int) -> Answer:
        """One request, after a while."""
        slow = 40 if self._api.mood == "slow" else 1
        await asyncio.sleep(self._api.latency * slow * self._process.random())
        return self._api.answer(order_id, page)

    def refresh_key(self) -> None:
        """There is only one."""
