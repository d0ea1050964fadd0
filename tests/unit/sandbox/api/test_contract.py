"""The answers of the stand-in, without a socket."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from journeys.number import Number
from journeys_sandbox.api.contract import Api, ApiSettings, Ending, Reply
from journeys_sandbox.api.generator import journey_of

PATH = "/v2-4-2/api/order/event"
NOW = 1_800_000_000.0


def ask(api: Api, order_id: Any, page: Any = 1, page_size: Any = 100, *, key: str | None = None) -> Reply:
    """Ask for a page."""
    body = json.dumps({"order_id": order_id, "page": page, "page_size": page_size}).encode()
    return api.reply("POST", PATH, key, body, now=NOW)


def data(reply: Reply) -> dict[str, Any]:
    """The data of a good answer."""
    document = json.loads(reply.body, parse_float=Number)
    assert document["code"] == 1
    found: dict[str, Any] = document["data"]
    return found


def read(api: Api, order_id: str, size: int) -> list[Any]:
    """All pages of an order, one after the other."""
    first = data(ask(api, order_id, 1, size))
    events: list[Any] = first["events"]
    pages = range(2, -(-first["total"] // first["page_size"]) + 1)
    return events + [event for page in pages for event in data(ask(api, order_id, page, size))["events"]]


@pytest.mark.parametrize("order_id", ["n0-a", "n1-a", "n12-a", "n230-a", "plain", "日本", "half \ud83d", 'a"b\\c%'])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_make_up_the_journey(order_id: str, size: int) -> None:
    """The pages of a journey together are the whole of it, at any page size."""
    assert read(Api(ApiSettings()), order_id, size) == journey_of(order_id)


def test_the_envelope_echoes_the_request() -> None:
    """The answer holds order id, page, page size, total and currency."""
    answer = data(ask(Api(ApiSettings(shop_currency="EUR")), "n5-a", 2, 3))
    assert (answer["order_id"], answer["page"], answer["page_size"]) == ("n5-a", 2, 3)
    assert (answer["total"], len(answer["events"]), answer["shop_currency"]) == (5, 2, "EUR")


def test_a_page_beyond_the_last_is_empty() -> None:
    """A page number beyond the last is not an error."""
    assert data(ask(Api(ApiSettings()), "n5-a", 9, 3))["events"] == []


@pytest.mark.parametrize(
    ("order_id", "page", "size"),
    [
        (1, 1, 1),
        ("", 1, 1),
        (None, 1, 1),
        ("a", 0, 1),
        ("a", "1", 1),
        ("a", True, 1),
        ("a", 1, 0),
        ("a", 1, 101),
        ("a", 1, 1.0),
    ],
)
def test_fields_out_of_bounds_are_refused(order_id: Any, page: Any, size: Any) -> None:
    """The stand-in answers 422 and counts no request for an order."""
    api = Api(ApiSettings())
    assert ask(api, order_id, page, size).status == 422
    assert not api.stats.pages


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """The stand-in answers 400."""
    assert Api(ApiSettings()).reply("POST", PATH, None, body, now=NOW).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("POST", "/api/order/event", 404),
        ("POST", "/", 404),
        ("POST", f"{PATH}/more", 404),
        ("GET", "/_x", 404),
    ],
)
def test_other_paths_and_methods_are_refused(method: str, path: str, status: int) -> None:
    """The stand-in answers 404 and 405, each in the API's envelope."""
    reply = Api(ApiSettings()).reply(method, path, None, b"{}", now=NOW)
    assert reply.status == status
    assert json.loads(reply.body)["data"] is None


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("", 401), ("wrong", 401), ("ключ", 401), ("right", 200)])
def test_only_the_configured_key_is_accepted(key: str | None, status: int) -> None:
    """With a key set, the stand-in accepts only that key."""
    assert ask(Api(ApiSettings(key="right")), "n1-a", key=key).status == status


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("503x2", [503, 503, 200, 200]),
        ("404", [404, 404, 404, 404]),
        ("503x1-429s1x2", [503, 429, 429, 200]),
    ],
)
def test_faults_of_an_order_take_turns(word: str, statuses: list[int]) -> None:
    """A fault holds for as many requests as it says, then the next one, then none."""
    api = Api(ApiSettings())
    assert [ask(api, f"x-{word}-n1-a").status for _ in statuses] == statuses


def test_a_fault_of_one_page_leaves_the_others_alone() -> None:
    """`p2` applies to requests for page 2, as often as TIMES says, whatever is asked in between."""
    api = Api(ApiSettings())
    statuses = [ask(api, "x-503p2x2-n250-a", page).status for page in (1, 2, 3, 2, 1, 2)]
    assert statuses == [200, 503, 200, 503, 200, 200]


def test_faults_for_every_order_are_set_over_http() -> None:
    """An outage begins and ends over HTTP; an unknown word changes nothing."""
    api = Api(ApiSettings())

    def faults(text: bytes) -> int:
        return api.reply("POST", "/_faults", None, text, now=0.0).status

    statuses = [ask(api, "n1-a").status]
    for text in (b"503", b"lightning", b""):
        statuses += [faults(text), ask(api, "n1-a").status]
    assert statuses == [200, 200, 503, 422, 503, 200, 200]


def test_settings_give_faults_to_every_order() -> None:
    """A fault in the settings holds for each order separately."""
    api = Api(ApiSettings(faults="503x1", latency_s=0.5))
    assert [ask(api, order).status for order in ("n1-a", "n1-a", "n1-b", "n1-b")] == [503, 200, 503, 200]
    assert ask(api, "n1-a").delay_s == 0.5


def test_a_429_has_retry_after_in_seconds_or_as_a_date() -> None:
    """A 429 gives Retry-After in either form, or not at all."""
    api = Api(ApiSettings())
    assert ask(api, "x-429s3-a").headers == (("Retry-After", "3"),)
    ((_, date),) = ask(api, "x-429d3-a").headers
    assert parsedate_to_datetime(date).timestamp() == NOW + 3
    assert ask(api, "x-429-a").headers == ()


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("truncated", Ending.CUT),
        ("hangup", Ending.HANG_UP),
        ("reset", Ending.RESET),
        ("silent", Ending.NEVER),
        ("html", Ending.KEEP),
    ],
)
def test_connection_faults_end_the_connection(word: str, ending: Ending) -> None:
    """Each connection fault ends the connection in its own way."""
    assert ask(Api(ApiSettings()), f"x-{word}-n1-a").ending is ending


@pytest.mark.parametrize("word", ["html", "text"])
def test_body_faults_answer_200_without_json(word: str) -> None:
    """The answer has status 200 and a body that is not JSON."""
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(ask(Api(ApiSettings()), f"x-{word}-a").body)


def test_each_part_of_an_answer_can_be_wrong() -> None:
    """`code`, `data`, `events`, the echoes and the types can each be wrong alone."""
    api = Api(ApiSettings())
    found = {
        word: json.loads(ask(api, f"x-{word}-n1-a").body)
        for word in ("code7", "nodata", "noevents", "wrongorder", "wrongpage", "wrongtypes")
    }
    assert found["code7"]["code"] == 7
    assert found["nodata"]["data"] is None
    assert found["noevents"]["data"]["events"] is None
    assert found["wrongorder"]["data"]["order_id"] != "x-wrongorder-n1-a"
    assert found["wrongpage"]["data"]["page"] == 2
    assert not isinstance(found["wrongtypes"]["data"]["total"], int)


def test_a_capped_page_size_is_echoed() -> None:
    """The stand-in uses, and echoes, the largest page size it allows."""
    answer = data(ask(Api(ApiSettings()), "x-cap3-n7-a"))
    assert (answer["page_size"], len(answer["events"]), answer["total"]) == (3, 3, 7)
    assert read(Api(ApiSettings()), "x-cap3-n7-a", 100) == journey_of("x-cap3-n7-a")


@pytest.mark.parametrize(
    ("word", "totals"),
    [("grow2x2", [3, 3, 5, 5]), ("shrink2", [7, 5, 5, 5]), ("restless", [5, 6, 5, 6])],
)
def test_a_journey_changes_while_it_is_paged(word: str, totals: list[int]) -> None:
    """`total` changes from request to request and settles at the journey's size."""
    api = Api(ApiSettings())
    assert [data(ask(api, f"x-{word}-n5-a"))["total"] for _ in totals] == totals


def test_an_event_is_repeated_across_pages() -> None:
    """The second page starts with the first page's last event, unchanged or revised."""
    api = Api(ApiSettings())
    for word, same in (("repeat", True), ("revise", False)):
        before, after = (data(ask(api, f"x-{word}-n6-a", page, 3))["events"] for page in (1, 2))
        assert (before[-1] == after[0]) is same
        assert before[-1].get("event_id") == after[0].get("event_id")
        assert len(after) == 4


def test_a_share_of_requests_fails_reproducibly() -> None:
    """The requests themselves decide which of them fail."""
    first, second = Api(ApiSettings(fail_share=0.25)), Api(ApiSettings(fail_share=0.25))
    statuses = [ask(first, f"n1-{n}").status for n in range(400)]
    assert [ask(second, f"n1-{n}").status for n in range(400)] == statuses
    assert 60 < statuses.count(503) < 140


def test_an_unknown_fault_in_the_settings_is_named() -> None:
    """A typing error in the settings is an error, not a healthy API."""
    with pytest.raises(ValueError, match="hangdown"):
        Api(ApiSettings(faults="hangdown"))


def test_requests_are_counted_by_order_page_and_status() -> None:
    """The stand-in counts requests by order, page and status."""
    api = Api(ApiSettings())
    for page in (1, 2, 2):
        ask(api, "n5-a", page, 3)
    ask(api, "", 1)
    assert api.stats.pages == {("n5-a", 1): 1, ("n5-a", 2): 2}
    assert api.stats.requests_of("n5-a") == 3
    assert api.stats.statuses == {200: 3, 422: 1}
    answer = json.loads(api.reply("GET", "/_stats", None, b"", now=NOW).body)
    assert answer["pages"] == {"n5-a": {"1": 1, "2": 2}}
    assert answer["requests"] == 4
