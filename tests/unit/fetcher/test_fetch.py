"""The driver of the paging rule, in virtual time against a scripted API."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import pytest
from msgspec.structs import replace
from tests.support.virtual_time import VirtualLoop, run

from journeys.errors import NotFoundYetError, RejectedOrderError, TransientError, UnauthorizedError
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.backoff import QuickTries
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.memory import MemoryBudget
from journeys.fetcher.pages import Answer
from journeys.fetcher.progress import OpenOrder
from journeys.model import Journey, Json, Order, OrderMessage, Position

T = TypeVar("T")

TRIES = QuickTries(tries=3, base_s=1.0, cap_s=8.0, budget_s=60.0)


@dataclass
class Script:
    """An API that answers each page with the next of its answers; the last one repeats."""

    answers: Mapping[int, Sequence[Answer | Exception]]
    asked: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    together: int = 0
    most_together: int = 0
    keys_refreshed: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [round(later - earlier, 6) for earlier, later in pairwise(self.times)]

    async def ask(self, order_id: str, page: int) -> Answer:  # noqa: ARG002 - every order is answered alike
        """The next answer for this page."""
        script = self.answers[page]
        answer = script[min(self.asked[page], len(script) - 1)]
        self.asked[page] += 1
        self.times.append(asyncio.get_running_loop().time())
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            await asyncio.sleep(0)
        finally:
            self.together -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def refresh_key(self) -> None:
        """Count it."""
        self.keys_refreshed += 1


@dataclass
class Notes:
    """The observed outcomes and pages of requests, and the states of the gate."""

    outcomes: list[str] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    extra_pages: int = 0
    states: list[str] = field(default_factory=list)

    def extra_page(self) -> None:
        """Record a request for an extra page."""
        self.extra_pages += 1

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
        """A request ended."""
        assert seconds >= 0
        self.pages.append(page)
        assert (detail == "") == (outcome in ("ok", "cancelled"))
        self.outcomes.append(outcome)

    def changed(self, reasons: Mapping[Reason, str]) -> None:
        """The gate is shut for these reasons."""
        self.states.append(" ".join(reasons) or "open")


ORDER = Order(
    order_id="A-1",
    account="default",
    edition="orders.completed/0/1",
    timestamp_ms=5,
    attempt=0,
    absences=0,
    message=OrderMessage(
        position=Position(topic="orders.completed", partition=0, offset=1),
        key=None,
        value=b"A-1",
        headers=(),
        timestamp_ms=5,
    ),
)


def page(number: int, count: int, *, total: int, size: int = 2) -> Answer:
    """A good answer with `count` events."""
    events = [{"event_id": f"{number}-{place}"} for place in range(count)]
    document: Json = {
        "code": 1,
        "message": "fine",
        "data": {"order_id": "A-1", "total": total, "page": number, "page_size": size, "events": events},
    }
    return Answer(status=200, body=json.dumps(document).encode())


def journey_of(events: int) -> dict[int, list[Answer]]:
    """The answers of a journey with this many events, two a page."""
    return {
        number: [page(number, min(2, events - 2 * (number - 1)), total=events)]
        for number in range(1, (events + 1) // 2 + 1)
    }


def fetch(
    script: Script,
    notes: Notes | None = None,
    *,
    policy: Policy | None = None,
    slots: int = 128,
    accept_empty: bool = False,
) -> Journey:
    """Fetch the order in virtual time, with every chance half-way."""
    notes = notes or Notes()

    async def main(loop: VirtualLoop) -> Journey:
        keeper = Gatekeeper(
            Gate(), RateLimiter(), slots=slots, chance=lambda: 0.5, changed=notes.changed, clock=loop.clock
        )
        fetcher = Fetcher(
            script,
            policy or Policy(tries=TRIES),
            keeper=keeper,
            observer=notes,
            clock=loop.clock,
            chance=lambda: 0.5,
        )
        try:
            return await fetcher.fetch(ORDER, accept_empty=accept_empty)
        finally:
            assert (fetcher.in_flight, fetcher.bytes_in_hand) == (0, 0)

    return run(main)


def test_pages_of_one_order_are_fetched_side_by_side_within_their_bound() -> None:
    """The first page alone, then the others together, as many as the policy allows."""
    script, notes = Script(journey_of(19)), Notes()
    policy = Policy(tries=TRIES, pages_per_order=4)
    journey = fetch(script, notes, policy=policy)
    assert [event["event_id"] for event in journey.events][:3] == ["1-0", "1-1", "2-0"]
    assert (len(journey.events), journey.pages, journey.consistent) == (19, 10, True)
    assert script.most_together == 4
    assert dict(script.asked) == dict.fromkeys(range(1, 11), 1)
    assert sorted(notes.pages) == [*range(1, 11)]


def test_requests_in_flight_are_bounded_over_everything() -> None:
    """No more requests than `max_concurrency`, whatever the orders would like."""
    script = Script(journey_of(19))
    fetch(script, slots=3)
    assert script.most_together == 3


def test_transient_faults_are_retried_with_backoff() -> None:
    """Two faults, then an answer: half of 1 s, half of 2 s, and nothing is lost."""
    fault = TransientError("gone", reason="disconnected")
    script = Script({1: [fault, Answer(status=503, body=b""), page(1, 1, total=1)]})
    notes = Notes()
    journey = fetch(script, notes)
    assert (script.gaps, len(journey.events)) == ([0.5, 1.0], 1)
    assert notes.outcomes == ["disconnected", "status-503", "ok"]


def test_quick_tries_are_limited_in_number() -> None:
    """After the last try the error leaves the process as it is."""
    script = Script({1: [Answer(status=500, body=b"")]})
    with pytest.raises(TransientError) as failed:
        fetch(script)
    assert (failed.value.reason, script.asked[1]) == ("status-500", 3)


def test_one_failing_page_fails_the_order() -> None:
    """A later page that keeps failing raises its own error, not a group, and the siblings stop."""
    script = Script({1: [page(1, 2, total=6)], 2: [Answer(status=400, body=b"")], 3: [page(3, 2, total=6)]})
    with pytest.raises(RejectedOrderError) as failed:
        fetch(script)
    assert failed.value.reason == "status-400"


@pytest.mark.parametrize(
    "end",
    [
        page(3, 0, total=4),
        page(1, 2, total=4),
        page(3, 0, total=0),
        Answer(status=200, body=page(2, 2, total=4).body.replace(b'"page": 2', b'"page": 3')),
        Answer(status=404, body=b""),
        Answer(status=400, body=b""),
        Answer(status=500, body=b""),
        Answer(status=200, body=b'{"code": 2}'),
        Answer(status=200, body=b"<html>"),
        TransientError("silence", reason="timeout"),
    ],
    ids=["empty", "another", "no total", "again", "404", "400", "500", "code", "html", "timeout"],
)
def test_any_failure_of_an_extra_page_is_the_end(end: Answer | Exception) -> None:
    """A full last page is followed by one more request: what brings nothing new ends the journey, without a try."""
    script, notes = Script(journey_of(4) | {3: [end]}), Notes()
    journey = fetch(script, notes)
    assert (len(journey.events), journey.pages, journey.consistent, journey.repeated) == (4, 2, True, 0)
    assert (dict(script.asked), notes.extra_pages) == ({1: 1, 2: 1, 3: 1}, 1)
    assert notes.states == []


def test_an_extra_page_with_news_belongs_to_the_journey() -> None:
    """A `total` that is too small cuts nothing; the journey is read again, and is inconsistent."""
    answers = {1: [page(1, 2, total=3)], 2: [page(2, 2, total=3)], 3: [page(3, 1, total=3)]}
    script, notes = Script(answers), Notes()
    journey = fetch(script, notes)
    assert (len(journey.events), journey.total, journey.pages, journey.consistent) == (5, 3, 3, False)
    assert (dict(script.asked), notes.extra_pages) == ({1: 2, 2: 2, 3: 2}, 2)


def test_throttling_and_a_refused_key_keep_their_meaning_for_an_extra_page() -> None:
    """They are waited for, and the page is requested again."""
    refusals = [Answer(status=429, body=b"", retry_after="7"), Answer(status=401, body=b"")]
    script, notes = Script(journey_of(2) | {2: [*refusals, page(2, 1, total=2)]}), Notes()
    assert len(fetch(script, notes).events) == 3
    assert notes.states == ["pace", "open", "auth", "open"]
    assert script.keys_refreshed == 1


def test_a_journey_is_dated_by_the_start_of_its_reading() -> None:
    """`fetched_at_ms` is when the accepted reading began, not when it ended."""
    moved = page(1, 1, total=3)
    script = Script({1: [Answer(status=503, body=b""), moved, page(1, 2, total=2)], 2: [page(2, 0, total=3)]})
    pauses: list[Answer | Exception] = [Answer(status=429, body=b"", retry_after="100"), page(2, 0, total=2)]
    late = Script({1: [page(1, 2, total=2)], 2: pauses})
    assert fetch(late).fetched_at_ms == fetch(Script({1: [page(1, 1, total=1)]})).fetched_at_ms
    assert fetch(script).fetched_at_ms > fetch(late).fetched_at_ms


def test_throttling_costs_no_try() -> None:
    """Any number of 429s is waited out, as long as each asks for, and then the order is fetched."""
    busy = Answer(status=429, body=b"", retry_after="7")
    script = Script({1: [busy] * 10 + [page(1, 1, total=1)]})
    notes = Notes()
    assert len(fetch(script, notes).events) == 1
    assert script.gaps == [7.0] * 10
    assert notes.states == ["pace", "open"] * 10


def test_throttling_without_retry_after_backs_off() -> None:
    """If the API gives no length, each pause in a row is longer, up to a limit."""
    script = Script({1: [Answer(status=429, body=b"")] * 7 + [page(1, 1, total=1)]})
    fetch(script)
    assert script.gaps == [0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5]


def test_a_refused_key_costs_no_try_and_is_read_again() -> None:
    """A 401 uses up no try, shuts the gate once, makes the client read the key again, and ends by itself."""
    refused: list[Answer | Exception] = [
        Answer(status=401, body=b""),
        UnauthorizedError("the API key cannot be read", reason="key-file"),
    ]
    script = Script({1: [*refused, page(1, 1, total=1)]})
    notes = Notes()
    assert len(fetch(script, notes).events) == 1
    assert script.keys_refreshed == 2
    assert notes.states == ["auth", "open"]


def test_an_absent_journey_raises_unless_accepted() -> None:
    """`total` 0 is an error until it is accepted as an empty journey."""
    with pytest.raises(NotFoundYetError):
        fetch(Script({1: [page(1, 0, total=0)]}))
    journey = fetch(Script({1: [page(1, 0, total=0)]}), accept_empty=True)
    assert (journey.events, journey.total) == ((), 0)
    missing = Script({1: [Answer(status=404, body=b"")]})
    assert fetch(missing, accept_empty=True).events == ()


def test_a_page_too_large_is_refused_without_a_second_try() -> None:
    """A page that stays too large is not tried again."""
    script = Script({1: [RejectedOrderError("a page has too many bytes", reason="page-too-large")]})
    with pytest.raises(RejectedOrderError):
        fetch(script)
    assert script.asked[1] == 1


def test_a_missing_later_page_makes_no_empty_journey() -> None:
    """A 404 of page 2, or of a second reading, is a fault that passes, even where an empty journey is accepted."""
    gone = Answer(status=404, body=b"")
    later = Script({1: [page(1, 2, total=3)], 2: [gone]})
    again = Script({1: [page(1, 1, total=2), gone], 2: [page(2, 0, total=2)]})
    emptied = Script({1: [page(1, 1, total=2), page(1, 0, total=0)], 2: [page(2, 0, total=2)]})
    for script in (later, again, emptied):
        with pytest.raises(TransientError) as failed:
            fetch(script, accept_empty=True)
        assert failed.value.reason == "journey-unsettled"


def test_retry_after_zero_backs_off() -> None:
    """`Retry-After: 0` must not turn a refused request into a tight loop."""
    script = Script({1: [Answer(status=429, body=b"", retry_after="0")] * 3 + [page(1, 1, total=1)]})
    fetch(script)
    assert script.gaps == [0.75, 1.5, 3.0]


def test_throttling_does_not_use_up_the_time_budget() -> None:
    """After a pause longer than the whole budget of the tries, a passing fault is still tried again."""
    busy = Answer(status=429, body=b"", retry_after="120")
    script = Script({1: [busy, Answer(status=503, body=b""), page(1, 1, total=1)]})
    assert len(fetch(script).events) == 1
    assert (script.gaps[0], script.asked[1]) == (120.0, 3)


def test_throttling_holds_back_queued_requests() -> None:
    """With one slot for ten pages, the first 429 holds back those that were waiting for the slot."""
    busy = Answer(status=429, body=b"", retry_after="30")
    answers = journey_of(19)
    answers[2].insert(0, busy)
    script, notes = Script(answers), Notes()
    fetch(script, notes, slots=1)
    first = notes.outcomes.index("status-429")
    assert notes.outcomes[first + 1 :] == ["ok"] * 9
    assert notes.states == ["pace", "open"]
    assert script.gaps[first] == 30.0


def test_a_refused_key_counts_as_accepted_once_an_order_is_unknown() -> None:
    """A 404 is an answer to an accepted key: the gate opens."""
    script = Script({1: [Answer(status=403, body=b""), Answer(status=404, body=b"")]})
    notes = Notes()
    with pytest.raises(NotFoundYetError):
        fetch(script, notes)
    assert notes.states == ["auth", "open"]


def look_while_fetching(script: Script, *, at_s: float) -> list[OpenOrder]:
    """The open orders at this time, while one order is fetched."""

    async def work(fetcher: Fetcher) -> list[OpenOrder]:
        fetching = asyncio.create_task(fetcher.fetch(ORDER))
        await asyncio.sleep(at_s)
        seen = fetcher.open_orders()
        await fetching
        assert fetcher.open_orders() == []
        return seen

    return with_memory(MemoryBudget(), script, work)


def test_open_order_is_named_with_its_tries_and_last_failure() -> None:
    """Its clock runs during the pause between two tries, and stands still during a pause of the whole account."""
    failing = Script({1: [Answer(status=503, body=b""), page(1, 1, total=1)]})
    throttled = Script({1: [Answer(status=429, body=b"", retry_after="7"), page(1, 1, total=1)]})
    order = OpenOrder(
        order_id="A-1",
        position=ORDER.message.position,
        busy_s=0.05,
        tries=1,
        last_failure="status-503 (the API answered 503)",
    )
    assert look_while_fetching(failing, at_s=0.05) == [order]
    [waiting] = look_while_fetching(throttled, at_s=5.0)
    assert (waiting.busy_s, waiting.tries, waiting.last_failure) == (0.0, 1, "status-429 (the API answered 429)")


@dataclass
class Backlog:
    """Fills the memory from the first request on, until it is published."""

    script: Script
    is_published: bool = False
    is_blocked: bool = False

    @property
    def unpublished_bytes(self) -> int:
        """All of the memory, or nothing."""
        return 10**6 if self.script.asked and not self.is_published else 0


def with_memory(memory: MemoryBudget, script: Script, work: Callable[[Fetcher], Awaitable[T]]) -> T:
    """Return the result of `work` with a fetcher of this memory budget."""

    async def main(loop: VirtualLoop) -> T:
        keeper = Gatekeeper(Gate(), RateLimiter(), slots=9, chance=lambda: 0.5, changed=print, clock=loop.clock)
        return await work(
            Fetcher(
                script, Policy(), keeper=keeper, observer=Notes(), chance=lambda: 0.5, memory=memory, clock=loop.clock
            )
        )

    return run(main)


def test_a_journey_waits_for_memory_after_its_first_page() -> None:
    """Its first page says how large it is: until there is memory for that, no other page is asked for."""
    script = Script(journey_of(19))
    backlog = Backlog(script)
    memory = MemoryBudget(10**6, backlog=backlog)

    async def work(fetcher: Fetcher) -> Journey:
        fetching = asyncio.create_task(fetcher.fetch(ORDER))
        await asyncio.sleep(60)
        assert dict(script.asked) == {1: 1}
        assert fetcher.progress() == {}, "an order that waits for memory is not active"
        backlog.is_published = True
        return await fetching

    assert len(with_memory(memory, script, work).events) == 19
    assert memory.received_bytes == 0


def test_a_dropped_first_page_is_requested_again() -> None:
    """Of two journeys that do not fit into memory side by side; in the end both are whole."""
    script = Script(journey_of(19))
    size = 3 * len(page(1, 2, total=19).body)
    memory = MemoryBudget(10.9 * size, first_page_bytes=size)

    async def work(fetcher: Fetcher) -> list[Journey]:
        other = replace(ORDER, message=replace(ORDER.message, position=Position(topic="o", partition=0, offset=2)))
        return [*await asyncio.gather(fetcher.fetch(ORDER), fetcher.fetch(other))]

    assert [len(journey.events) for journey in with_memory(memory, script, work)] == [19, 19]
    assert dict(script.asked) == {1: 3} | dict.fromkeys(range(2, 11), 2)
    assert memory.received_bytes == 0
