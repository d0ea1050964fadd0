"""A support bundle holds no order id, no e-mail address and no secret."""

from __future__ import annotations

import json

from journeys.doctor.bundle import Scrubber


def test_order_ids_are_replaced_by_numbers() -> None:
    """An order keeps its number through all lines, also where another field or a text names it."""
    lines = [
        {"event": "order.retried", "order_id": "A-1001", "source": "orders/0/17"},
        {"event": "order.retried", "order_id": "77", "detail": "77 events"},
        {"event": "library.message", "message": "order A-1001 of jane@example.com at http://me:s3cret@host"},
        {"event": "x", "api_key": "s3cret", "inner": {"order_id": "A-1001", "ids": ["A-1001"]}},
    ]
    shown = [*Scrubber().lines(f"{json.dumps(line)}\n" for line in lines)]
    assert [json.loads(line) for line in shown] == [
        {"event": "order.retried", "order_id": "order-1", "source": "orders/0/17"},
        {"event": "order.retried", "order_id": "order-2", "detail": "77 events"},
        {"event": "library.message", "message": "order order-1 of *** at http://***@host"},
        {"event": "x", "api_key": "***", "inner": {"order_id": "order-1", "ids": ["order-1"]}},
    ]


def test_order_id_within_an_answer_is_replaced_everywhere_in_it() -> None:
    """A worker's /readyz names its oldest order below the reasons, which may name it, too."""
    answer = {"reasons": {"stuck": {"why": "A-1001 is stuck"}}, "oldest_order": {"order_id": "A-1001", "seconds": 9.5}}
    assert json.loads(Scrubber().line(json.dumps(answer))) == {
        "reasons": {"stuck": {"why": "order-1 is stuck"}},
        "oldest_order": {"order_id": "order-1", "seconds": 9.5},
    }


def test_lines_for_people_are_scrubbed_too() -> None:
    """The console format has the same fields as text."""
    lines = ["12:00 order.retried order_id=A-1001 reason=status-503", "about A-1001", "order_id='A 2' x=1", "[1, 2]"]
    assert [*Scrubber().lines(lines)] == [
        "12:00 order.retried order_id=order-1 reason=status-503",
        "about order-1",
        "order_id=order-2 x=1",
        "[1, 2]",
    ]
