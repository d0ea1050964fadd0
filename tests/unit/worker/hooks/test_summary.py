"""The summary line."""

from __future__ import annotations

import io
import json

from tests.support.happenings import ORDERS

from journeys.logs import configure
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import Measured, TransactionEnded
from journeys.worker.hooks.summary import SummaryHook


def test_summary_line_is_written_each_10_s_while_there_is_work() -> None:
    """It counts committed orders alone, and no skipped message. An idle worker writes none."""
    out = io.StringIO()
    configure(log_format="json", stream=out)
    now = [0.0]
    hook = SummaryHook(retry_topics=["orders.retry.1m"], monotonic=lambda: now[0])
    lag = {("orders", 0): 7, ("orders", 1): 1, ("orders.retry.1m", 0): 99}
    for outcome in (Outcome.ABORTED, Outcome.COMMITTED):
        hook(TransactionEnded(Result(outcome=outcome), ORDERS, 0.1))
    for now[0] in (5.0, 10.0, 15.0):
        hook(Measured(2, lag, 1.26))
    for now[0] in (60.0, 90.0):
        hook(Measured(0, {}, 0.0))
    [line] = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (line["event"], line["level"]) == ("orders.summary", "info")
    assert {name: value for name, value in line.items() if name not in ("event", "level", "timestamp")} == {
        "published": 1,
        "retried": 1,
        "dead_lettered": 1,
        "orders_per_s": 0.3,
        "in_hand": 2,
        "lag": 8,
        "oldest_s": 1.3,
    }
