"""A support bundle holds no order id, no e-mail address and no secret."""

from __future__ import annotations

import json

import structlog

from journeys.doctor.bundle import Scrubber
from journeys.fetcher.progress import OpenOrder
from journeys.model import Position
from journeys.ops.slow import SlowOrders


def scrubbed(*lines: str) -> list[str]:
    """The lines of a bundle that holds no others."""
    scrubber = Scrubber(lines)
    return [scrubber.line(line) for line in lines]


def test_order_ids_are_replaced_by_numbers() -> None:
    """An order keeps its number through all lines, also where another field or a text names it."""
    lines = [
        {"event": "order.retried", "order_id": "A-1001", "source": "orders/0/17"},
        {"event": "order.retried", "order_id": "77", "detail": "77 events"},
        {"event": "library.message", "message": "order A-1001 of jane@example.com at http://me:s3cret@host"},
        {"event": "x", "api_key": "s3cret", "inner": {"order_id": "A-1001", "ids": ["A-1001"]}},
    ]
    shown = scrubbed(*map(json.dumps, lines))
    assert [json.loads(line) for line in shown] == [
        {"event": "order.retried", "order_id": "order-1", "source": "orders/0/17"},
        {"event": "order.retried", "order_id": "order-2", "detail": "77 events"},
        {"event": "library.message", "message": "order order-1 of *** at http://***@host"},
        {"event": "x", "api_key": "***", "inner": {"order_id": "order-1", "ids": ["order-1"]}},
    ]


def test_order_id_within_an_answer_is_replaced_everywhere_in_it() -> None:
    """A worker's /readyz names its oldest order below the reasons, which may name it, too."""
    answer = {"reasons": {"stuck": {"why": "A-1001 is stuck"}}, "oldest_order": {"order_id": "A-1001", "seconds": 9.5}}
    assert json.loads(*scrubbed(json.dumps(answer))) == {
        "reasons": {"stuck": {"why": "order-1 is stuck"}},
        "oldest_order": {"order_id": "order-1", "seconds": 9.5},
    }


def test_lines_for_people_are_scrubbed_too() -> None:
    """The console format has the same fields as text."""
    lines = ["12:00 order.retried order_id=A-1001 reason=status-503", "about A-1001", "order_id='A 2' x=1", "[1, 2]"]
    assert scrubbed(*lines) == [
        "12:00 order.retried order_id=order-1 reason=status-503",
        "about order-1",
        "order_id=order-2 x=1",
        "[1, 2]",
    ]


def test_order_id_of_a_slow_order_is_replaced() -> None:
    """/readyz names the slowest order in a sentence alone: its `oldest_order` is another one."""
    position = Position(topic="orders", partition=0, offset=17)
    slow = [
        OpenOrder(order_id=order_id, position=position, busy_s=40.0, tries=1, last_failure=None)
        for order_id in ("A-1001", "it's (a 7)", "7")
    ]
    texts = [text for order in slow if (text := SlowOrders(30.0).look([order])[1]) is not None]
    page = json.dumps({"degraded": {"slow": {"why": texts[0]}}, "oldest_order": {"order_id": "A-2002"}})
    shown = scrubbed(page, *texts)
    assert json.loads(shown[0]) == {
        "degraded": {"slow": {"why": "order order-1 (orders/0/17) takes 40 s, tries: 1, no try failed"}},
        "oldest_order": {"order_id": "order-2"},
    }
    assert [text.split(" (orders")[0] for text in shown[1:]] == ["order order-1", "order order-3", "order order-4"]


def test_order_id_is_replaced_in_lines_before_the_one_that_names_it() -> None:
    """A library writes about A-1001 first. The id A-100 is a part of the other, and must not cut it."""
    lines = ["no answer for A-1001", "order_id=A-100", "order_id=A-1001"]
    assert scrubbed(*lines) == ["no answer for order-2", "order_id=order-1", "order_id=order-2"]


def test_lines_for_people_are_scrubbed_in_every_form_that_structlog_writes() -> None:
    """It writes ids with spaces or quotes as Python does, and colours the lines on a terminal."""
    for order_id in ("A-1", "A 1", "it's 1", 'say "1"', 'it\'s "1" \\ 2'):
        for colours in (False, True):
            render = structlog.dev.ConsoleRenderer(colors=colours)
            line = render(None, "info", {"event": "order.retried", "order_id": order_id, "tries": 1})
            [shown] = scrubbed(str(line))
            assert shown.split() == ["order.retried", "order_id=order-1", "tries=1"], (order_id, colours)
