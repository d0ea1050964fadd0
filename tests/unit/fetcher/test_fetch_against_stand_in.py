"""The fetcher and its client against the stand-in, over real sockets: what is fetched is what the API holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from journeys.errors import NotFoundYetError, OrderError, RejectedOrderError, TransientError
from journeys.fetcher.account.gate import Gate, GatePolicy, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.backoff import Backoff, QuickTries
from journeys.fetcher.failures import Meaning
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.model import Journey, Order, OrderMessage, Position, Unreadable
from journeys.php import as_list
from journeys_sandbox.api.generator import extra_of, journey_of
from journeys_sandbox.api.server import ApiSettings, StandIn

T = TypeVar("T")

CODES: dict[int, Meaning] = {2: "passing", 4: "absent", 5: "order"}


@dataclass
class Notes:
    """The observed outcomes and the states of the gate."""

    outcomes: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def extra_page(self) -> None:
        """Record a request for an extra page."""

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
        """A request ended."""
        assert seconds >= 0
        assert page >= 1
        assert (detail == "") == (outcome in ("ok", "cancelled"))
        self.outcomes.append(outcome)

    def changed(self, reasons: Mapping[Reason, str]) -> None:
        """The gate is shut for these reasons."""
        self.states.append(" ".join(reasons) or "open")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A fetcher and the API that it asks."""

    fetcher: Fetcher
    api: StandIn
    notes: Notes


def order(order_id: str) -> Order:
    """An order as the consumer hands it over."""
    position = Position(topic="orders.completed", partition=0, offset=1)
    return Order(
        order_id=order_id,
        account="default",
        edition=str(position),
        timestamp_ms=5,
        attempt=0,
        absences=0,
        message=OrderMessage(position=position, key=None, value=order_id.encode(), headers=(), timestamp_ms=5),
    )


def run(
    work: Callable[[Bench], Awaitable[T]],
    *,
    settings: ApiSettings | None = None,
    keys: Sequence[str | None] = (None,),
    max_concurrency: int = 16,
) -> T:
    """Return the result of `work`. `keys` are the keys in the order of their reading; the last one repeats."""
    looks = iter(keys)
    policy = Policy(codes=CODES, tries=QuickTries(tries=4, base_s=0.001, cap_s=0.01, budget_s=20.0))
    soon = Backoff(base_s=0.001, cap_s=0.01)

    async def main() -> T:
        async with StandIn(settings) as api:
            endpoint = Endpoint(base_url=api.url, version="v2-4-2", max_concurrency=max_concurrency, read_timeout_s=2.0)
            async with ApiClient(endpoint, key=lambda: next(looks, keys[-1])) as client:
                notes = Notes()
                fetcher = Fetcher(
                    client,
                    policy,
                    keeper=Gatekeeper(
                        Gate(GatePolicy(probes=soon, pauses=soon, longest_pause_s=0.001)),
                        RateLimiter(),
                        slots=max_concurrency,
                        chance=random.random,
                        changed=notes.changed,
                    ),
                    observer=notes,
                    chance=random.random,
                )
                result = await work(Bench(fetcher=fetcher, api=api, notes=notes))
                assert (fetcher.in_flight, fetcher.bytes_in_hand) == (0, 0)
                return result

    return asyncio.run(main())


def fetch(order_id: str, *, accept_empty: bool = False) -> Journey:
    """The journey of one order."""
    return run(lambda bench: bench.fetcher.fetch(order(order_id), accept_empty=accept_empty))


def failure(order_id: str) -> OrderError:
    """Return the error of fetching that order."""
    with pytest.raises(OrderError) as error:
        fetch(order_id)
    return error.value


def test_many_orders_at_once_are_fetched_whole() -> None:
    """Three hundred journeys of every length, side by side: each is exactly what the API holds."""
    ids = [f"order-{number}" for number in range(300)]

    async def work(bench: Bench) -> list[Journey]:
        journeys = await asyncio.gather(*(bench.fetcher.fetch(order(each), accept_empty=True) for each in ids))
        assert bench.api.stats.in_flight_max <= 16
        assert bench.api.stats.connections <= 16
        return journeys

    for journey in run(work):
        held = journey_of(journey.order_id)
        assert list(journey.events) == held
        assert (journey.total, journey.repeated, journey.consistent) == (len(held), 0, True)
        assert journey.pages == max(1, -(-len(held) // 100))
        assert journey.extra == {f"/{name}": value for name, value in extra_of(journey.order_id).items()}
        assert journey.shop_currency == "USD"


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "503x2",
        "500x3",
        "408x1",
        "429x3",
        "429s1x2",
        "429d1x2",
        "code2x2",
        "code99x2",
        "htmlx2",
        "textx2",
        "truncatedx2",
        "hangupx2",
        "resetx2",
        "noeventsx2",
        "wrongtypesx2",
        "wrongorderx2",
        "wrongpagex2",
        "503x1-hangupx1-htmlx1",
        "slow50",
        "cap7",
    ],
)
@pytest.mark.parametrize("count", [3, 250])
def test_a_transient_fault_loses_nothing(fault: str, count: int) -> None:
    """After a few failures the journey is whole and consistent."""
    order_id = f"x-{fault}-n{count}-abc"
    journey = fetch(order_id)
    assert list(journey.events) == journey_of(order_id)
    assert (journey.total, journey.consistent) == (count, True)


@pytest.mark.parametrize("fault", ["grow3", "shrink3"])
def test_a_journey_that_changes_between_two_pages_is_read_again(fault: str) -> None:
    """`total` moves after the first page: the journey as it is then, not a mixture."""
    order_id = f"x-{fault}-n250-abc"
    journey = fetch(order_id)
    assert list(journey.events) == journey_of(order_id)
    assert (journey.total, journey.pages, journey.repeated, journey.consistent) == (250, 3, 0, True)


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ("503", TransientError, "status-503"),
        ("code2", TransientError, "code-2"),
        ("code99", TransientError, "code-99"),
        ("html", TransientError, "not-json"),
        ("truncated", TransientError, "disconnected"),
        ("hangup", TransientError, "disconnected"),
        ("reset", TransientError, "disconnected"),
        ("noevents", TransientError, "no-events"),
        ("badevents", TransientError, "no-events"),
        ("wrongtypes", TransientError, "wrong-types"),
        ("wrongorder", TransientError, "wrong-order"),
        ("wrongpage", TransientError, "wrong-page"),
        ("400", RejectedOrderError, "status-400"),
        ("422", RejectedOrderError, "status-422"),
        ("code5", RejectedOrderError, "code-5"),
        ("404", NotFoundYetError, "status-404"),
        ("code4", NotFoundYetError, "code-4"),
        ("nodata", NotFoundYetError, "no-journey"),
        ("emptylist", NotFoundYetError, "no-journey"),
        ("emptyobject", NotFoundYetError, "no-journey"),
        ("zerototal", NotFoundYetError, "no-journey"),
        ("204", NotFoundYetError, "status-204"),
    ],
)
def test_a_lasting_fault_raises_its_verdict(fault: str, kind: type[OrderError], reason: str) -> None:
    """Each fault for good ends as the error that says what to do next, with a stable reason."""
    error = failure(f"x-{fault}-n250-abc")
    assert isinstance(error, kind)
    assert error.reason == reason


def test_an_absent_journey_raises_or_is_accepted() -> None:
    """An order without events waits, until it has waited long enough."""
    assert isinstance(failure("n0-abc"), NotFoundYetError)
    for order_id in ("n0-abc", "x-404-abc", "x-code4-abc", "x-nodata-abc"):
        journey = fetch(order_id, accept_empty=True)
        assert (journey.events, journey.total, journey.consistent) == ((), 0, True)


@pytest.mark.parametrize(
    ("order_id", "requests"),
    [
        ("x-cap50-echo100-n250-abc", 6),
        ("x-cap50-echo100-n230-abc", 5),
        ("n100-abc", 2),
        ("n99-abc", 1),
        ("x-textcode-n250-abc", 3),
        ("x-floatcode-n250-abc", 3),
        ("x-encoded-n250-abc", 3),
        ("x-latin1-n250-abc", 3),
        ("x-sameid-n120-abc", 4),
    ],
)
def test_odd_answers_cost_no_event(order_id: str, requests: int) -> None:
    """The journey is whole, in order and consistent, and takes no request more than it needs."""

    async def work(bench: Bench) -> Journey:
        journey = await bench.fetcher.fetch(order(order_id))
        assert bench.api.stats.requests == requests
        return journey

    journey = run(work)
    assert list(journey.events) == journey_of(order_id)
    assert journey.consistent


@pytest.mark.parametrize("fault", ["total150", "total0", "total100", "pagetotal"])
def test_a_wrong_total_costs_no_event(fault: str) -> None:
    """Full pages are followed by one more, whatever `total` says; the journey is inconsistent."""
    order_id = f"x-{fault}-n250-abc"
    journey = fetch(order_id)
    assert list(journey.events) == journey_of(order_id)
    assert (journey.pages, journey.consistent) == (3, False)


def test_lists_that_php_wrote_as_objects_are_lists() -> None:
    """Events and products keep their order. The encoder reads the products."""
    order_id = "x-phplist-n250-abc"
    events = list(fetch(order_id).events)
    for event in events:
        if "products" in event:
            event["products"] = as_list(event["products"])
    assert events == journey_of(order_id)


@pytest.mark.parametrize("fault", ["control", "nan", "bytes", "digits", "deep"])
def test_an_odd_value_costs_no_other(fault: str) -> None:
    """One field of one event of each page is odd; everything else is as the API has it."""
    order_id = f"x-{fault}-n150-abc"
    journey, expected = fetch(order_id), journey_of(order_id)
    assert len(journey.events) == len(expected)
    for place in (0, 100):
        odd, whole = journey.events[place], expected[place]
        value = odd.pop("event_campaign")
        whole.pop("event_campaign", None)
        while isinstance(value, dict):
            value = value["a"]
        assert isinstance(value, str if fault in {"control", "bytes"} else Unreadable)
    assert list(journey.events) == expected


def test_events_that_are_none_keep_their_place() -> None:
    """A null, a string and an event of odd values are handed on as they are."""
    order_id = "x-nullevent-textevent-odd-n12-abc"
    journey = fetch(order_id)
    assert list(journey.events) == journey_of(order_id)
    assert None in journey.events
    assert journey.consistent


def test_events_that_pages_repeat_are_published_once() -> None:
    """Each page begins with the last two events of the page before: they are counted as repeated."""
    order_id = "x-repeat2-cap50-n150-abc"
    journey = fetch(order_id)
    assert list(journey.events) == journey_of(order_id)
    assert (journey.repeated, journey.shared_ids, journey.consistent) == (4, 0, True)


def test_events_that_pages_repeat_with_other_content_are_events() -> None:
    """The same ids, but other content: these are other events, and there are more than `total` says."""
    order_id = "x-revise2-cap50-n150-abc"
    journey = fetch(order_id)
    shared = [place for place in (48, 49, 98, 99) if journey_of(order_id)[place].get("event_id")]
    assert [event for event in journey.events if event.get("event_page_title") != "Revised"] == journey_of(order_id)
    assert (len(journey.events), journey.repeated, journey.shared_ids) == (154, 0, 2 * len(shared))
    assert not journey.consistent


def test_a_total_that_never_settles_is_inconsistent() -> None:
    """Readings that never agree are bounded, and end as a journey."""
    journey = fetch("x-restless-n250-abc")
    assert list(journey.events) == journey_of("x-restless-n250-abc")
    assert not journey.consistent


def test_a_wrong_key_holds_orders_until_it_is_right() -> None:
    """All orders wait while the key is wrong, the gate shuts once, and then each is fetched."""
    ids = [f"n3-{number}" for number in range(20)]

    async def work(bench: Bench) -> list[Journey]:
        journeys = await asyncio.gather(*(bench.fetcher.fetch(order(each)) for each in ids))
        assert bench.notes.states == ["auth", "open"]
        return journeys

    journeys = run(work, settings=ApiSettings(key="right"), keys=[None, "wrong", "wrong", "right"], max_concurrency=1)
    assert [list(journey.events) for journey in journeys] == [journey_of(each) for each in ids]


def test_cancelling_an_order_frees_its_slots_at_once() -> None:
    """An order whose pages hang is cancelled; another one finds the slots free."""

    async def work(bench: Bench) -> Journey:
        hanging = asyncio.ensure_future(bench.fetcher.fetch(order("x-silent-abc")))
        while bench.api.stats.requests == 0:  # noqa: ASYNC110 - the stand-in has no signal for it
            await asyncio.sleep(0)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        return await bench.fetcher.fetch(order("n3-abc"))

    assert len(run(work, max_concurrency=1).events) == 3


def test_an_api_that_fails_now_and_then_loses_nothing() -> None:
    """One request in ten fails, and every journey is whole all the same."""
    ids = [f"order-{number}" for number in range(100)]

    async def work(bench: Bench) -> list[Journey]:
        fetched = (bench.fetcher.fetch(order(each), accept_empty=True) for each in ids)
        return await asyncio.gather(*fetched)

    for journey in run(work, settings=ApiSettings(fail_share=0.1)):
        assert list(journey.events) == journey_of(journey.order_id)
