"""When the gate of an account shuts, why, and what opens it."""

from __future__ import annotations

import math

from journeys.fetcher.account.gate import Gate, GatePolicy, Limit
from journeys.fetcher.backoff import Backoff

POLICY = GatePolicy(
    failures=Limit(run=4, share=0.5, least=10, window_s=10.0),
    orders=2,
    dead_letters=Limit(run=3, share=0.5, least=8, window_s=100.0),
    probes=Backoff(base_s=1.0, cap_s=4.0),
    pauses=Backoff(base_s=2.0, cap_s=8.0),
    longest_pause_s=60.0,
)


def gate() -> Gate:
    """An open gate."""
    return Gate(POLICY)


def fail(shut: Gate, first: int, last: int, *, reason: str = "status-503", now: float = 0.0) -> None:
    """A request of each of these orders fails."""
    for number in range(first, last + 1):
        shut.failed(f"order-{number}", reason, has_failed=False, now=now)


def answer(shut: Gate, first: int, last: int, *, now: float = 0.0) -> None:
    """A request of each of these orders is answered."""
    for number in range(first, last + 1):
        shut.answered(f"fine-{number}", is_probe=False, now=now)


def down() -> Gate:
    """A gate that is shut because the API is down; a probe is due at 1 s."""
    shut = gate()
    fail(shut, 1, 4)
    return shut


def test_a_run_of_failures_shuts_it() -> None:
    """The fourth order in a row that fails shuts it, and the reason says what was seen."""
    shut = gate()
    fail(shut, 1, 3)
    assert not shut.is_shut
    fail(shut, 4, 4)
    assert shut.reasons == {"down": "4 in a row failed, the last with status-503"}


def test_an_answer_ends_a_run() -> None:
    """Failures with an answer in between are no run."""
    shut = gate()
    fail(shut, 1, 3)
    answer(shut, 1, 1)
    fail(shut, 1, 3)
    assert not shut.is_shut


def test_the_tries_of_one_order_count_once() -> None:
    """A few orders that fail for ever say nothing about the others, however often they are tried."""
    shut = gate()
    for _ in range(100):
        fail(shut, 1, 3)
    assert not shut.is_shut


def test_a_share_of_a_window_shuts_it() -> None:
    """Half of ten orders, never four in a row; what is older than the window does not count."""
    shut = gate()
    for number in range(4):
        fail(shut, number, number, now=0.5)
        answer(shut, number, number, now=0.5)
    fail(shut, 10, 10, now=12.0)
    assert not shut.is_shut
    for number in range(20, 24):
        answer(shut, number, number, now=12.0)
        fail(shut, number, number, now=12.0)
    assert not shut.is_shut
    answer(shut, 30, 30, now=12.0)
    fail(shut, 30, 30, now=12.0)
    assert shut.reasons["down"].startswith("6 of 11 within 10 s failed")


def test_an_answer_without_a_journey_counts_a_tenth() -> None:
    """The server answered, so it takes ten times as many orders in a row."""
    shut = gate()
    fail(shut, 1, 39, reason="not-json")
    assert not shut.is_shut
    fail(shut, 40, 40, reason="code-7")
    assert shut.reasons == {"down": "40 in a row failed, the last with code-7"}


def test_bad_orders_among_good_ones_do_not_shut_it() -> None:
    """Eight orders in nine that get no journey are no outage, for any length of time."""
    shut = gate()
    for second in range(1000):
        fail(shut, 8 * second, 8 * second + 7, reason="no-events", now=second)
        answer(shut, second, second, now=second)
    assert not shut.is_shut


def test_an_order_that_failed_before_counts_only_for_the_server() -> None:
    """Another answer without a journey says nothing new; a failure of the server does."""
    shut = gate()
    for number in range(1000):
        shut.failed(f"order-{number}", "not-json", has_failed=True, now=0.0)
    assert not shut.is_shut
    for number in range(4):
        shut.failed(f"order-{number}", "timeout", has_failed=True, now=0.0)
    assert shut.is_down


def test_probes_are_single_and_back_off() -> None:
    """Each that fails puts the next one off, up to a bound."""
    shut = down()
    now, waits = 0.0, []
    for _ in range(5):
        wait = shut.changes_in(now)
        waits.append(wait)
        assert not shut.tick(now + wait - 0.01)
        now += wait
        assert shut.tick(now)
        shut.probe()
        assert (shut.tick(now), shut.changes_in(now)) == (False, math.inf)
        shut.probe_ended(now=now, jitter=0.0)
    assert waits == [1.0, 0.5, 1.0, 2.0, 2.0]


def test_only_a_probe_opens_it() -> None:
    """An answer to a request that was sent before the outage says nothing of now."""
    shut = down()
    shut.answered("late", is_probe=False, now=0.5)
    assert shut.is_down
    shut.answered("probe", is_probe=True, now=1.0)
    assert not shut.is_shut


def test_an_outage_begins_anew_after_it_ended() -> None:
    """Failures of the outage before do not count towards the next."""
    shut = down()
    shut.answered("probe", is_probe=True, now=1.0)
    fail(shut, 5, 7, now=1.0)
    assert not shut.is_shut


def test_a_refused_key_shuts_it_and_shows_that_the_api_is_up() -> None:
    """A probe that is refused ends the outage, not the wait."""
    shut = down()
    shut.refused("status-401", is_probe=True, now=2.0, jitter=0.0)
    assert shut.reasons == {"auth": "the API does not accept the key (status-401)"}
    assert shut.changes_in(2.0) == 0.5
    shut.answered("probe", is_probe=True, now=2.5)
    assert not shut.is_shut


def test_a_missing_key_names_its_settings() -> None:
    """The same answer, another remedy."""
    shut = Gate(GatePolicy(has_key=False))
    shut.refused("status-401", is_probe=False, now=0.0, jitter=0.0)
    assert "none is set: JOURNEYS_API__KEY_FILE or JOURNEYS_API__KEY (status-401)" in shut.reasons["auth"]


def test_a_throttle_pause_ends_by_itself() -> None:
    """As long as the API asks for; a longer one extends it, a shorter one does not, and it is not believed for ever."""
    shut = gate()
    shut.throttled(5.0, is_probe=False, now=0.0, jitter=0.0)
    shut.throttled(1.0, is_probe=False, now=0.0, jitter=0.0)
    assert (shut.changes_in(0.0), shut.tick(4.9), shut.is_shut) == (5.0, False, True)
    shut.tick(5.0)
    assert not shut.is_shut
    shut.throttled(9999.0, is_probe=False, now=10.0, jitter=0.0)
    assert shut.changes_in(10.0) == 60.0


def test_throttling_without_a_length_backs_off_until_an_answer() -> None:
    """Those of one burst count as one."""
    shut = gate()
    waits, now = [], 0.0
    for _ in range(4):
        shut.throttled(None, is_probe=False, now=now, jitter=0.0)
        shut.throttled(None, is_probe=False, now=now, jitter=0.0)
        waits.append(shut.changes_in(now))
        now += waits[-1]
        shut.tick(now)
    assert waits == [1.0, 2.0, 4.0, 4.0]
    shut.answered("any", is_probe=False, now=now)
    shut.throttled(0.0, is_probe=False, now=now, jitter=0.0)
    assert shut.changes_in(now) == 1.0


def test_pause_ends_while_an_operator_holds_the_gate() -> None:
    """The API asks for nothing any more, and `/readyz` says so."""
    shut = gate()
    shut.throttled(5.0, is_probe=False, now=0.0, jitter=0.0)
    shut.hold()
    assert shut.changes_in(1.0) == 4.0
    shut.tick(5.0)
    assert (list(shut.reasons), shut.changes_in(5.0)) == (["operator"], math.inf)


def test_no_probe_is_sent_during_a_pause() -> None:
    """If the API is down and had asked for a pause, the later of the two decides."""
    shut = down()
    shut.throttled(7.0, is_probe=False, now=0.0, jitter=0.0)
    assert (shut.changes_in(0.0), shut.tick(2.0), shut.tick(7.0)) == (7.0, False, True)


def test_only_an_outage_or_a_refused_key_needs_a_probe() -> None:
    """A pause ends by itself, and what people shut they open."""
    refused, paused, held = gate(), gate(), gate()
    refused.refused("status-401", is_probe=False, now=0.0, jitter=0.0)
    paused.throttled(5.0, is_probe=False, now=0.0, jitter=0.0)
    held.hold()
    assert [shut.is_shut for shut in (down(), refused, paused, held)] == [True] * 4
    assert [shut.is_probed for shut in (down(), refused, paused, held)] == [True, True, False, False]
    assert not gate().is_probed


def test_a_flood_of_dead_letters_waits_for_resume() -> None:
    """Three in a row shut it; neither time nor an answer opens it; `resume` does, and counts anew."""
    shut = gate()
    for _ in range(3):
        shut.ended(is_dead=True, now=0.0)
    assert "journeys dead-letters resume" in shut.reasons["flood"]
    assert (shut.is_held, shut.changes_in(0.0), shut.tick(1e6)) == (True, math.inf, False)
    shut.answered("late", is_probe=True, now=1.0)
    assert shut.is_shut
    assert shut.resume() == ["flood"]
    shut.ended(is_dead=True, now=2.0)
    assert not shut.is_shut


def test_a_share_of_dead_letters_is_a_flood_too() -> None:
    """Four of eight within the window, never three in a row; a limit of 0 is never reached."""
    never = Gate(GatePolicy(dead_letters=Limit(run=0, share=0.0, least=1, window_s=100.0)))
    shut = gate()
    for each in (shut, never):
        for _ in range(4):
            each.ended(is_dead=False, now=5.0)
            each.ended(is_dead=True, now=5.0)
    assert (shut.is_held, never.is_held) == (True, False)


def test_operator_hold_and_resume() -> None:
    """Until `resume`, which takes both reasons of people away and no other."""
    shut = down()
    shut.hold()
    shut.ended(is_dead=True, now=0.0)
    assert set(shut.reasons) == {"down", "operator"}
    assert shut.resume() == ["operator"]
    assert set(shut.reasons) == {"down"}


def test_answers_for_other_orders_are_known() -> None:
    """An answer for the order itself says nothing about others; nor does an older one."""
    shut = gate()
    assert not shut.others_answered("a", since=-math.inf)
    shut.answered("a", is_probe=False, now=5.0)
    shut.answered("a", is_probe=False, now=6.0)
    assert not shut.others_answered("a", since=0.0)
    assert (shut.others_answered("b", since=6.0), shut.others_answered("b", since=6.1)) == (True, False)
    shut.answered("b", is_probe=False, now=7.0)
    assert (shut.others_answered("a", since=7.0), shut.others_answered("b", since=6.0)) == (True, True)


def test_pause_names_who_asked_for_it() -> None:
    """The reason blames the API only for a pause that it asked for, and shows where the worker waits for less."""
    for asked, reason in (
        (5.0, "the API asks for a pause of 5 s"),
        (900.0, "the API asks for a pause of 900 s; the worker pauses for 300 s"),
        (None, "the API throttles without a length; the worker pauses for 0.75 s"),
    ):
        shut = Gate()
        shut.throttled(asked, is_probe=False, now=0.0, jitter=0.5)
        assert shut.reasons == {"pace": reason}


def test_outage_names_the_detail_of_the_last_failure() -> None:
    """An operator reads in the reason whether connections are refused or the worker has no file descriptor left."""
    shut = Gate()
    for number in range(20):
        shut.failed(f"A-{number}", "connect", has_failed=False, now=0.0, detail="the API refuses connections")
    assert shut.reasons == {"down": "20 in a row failed, the last with connect (the API refuses connections)"}
