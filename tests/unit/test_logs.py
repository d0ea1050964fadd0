"""Log lines: their form, their levels, and the secrets that they never hold."""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import logging
from collections.abc import Iterator
from errno import ENOSPC
from typing import Any, get_args

import pytest
import structlog

from journeys import logs
from journeys.logs import EventName, bind_order, log


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    """Logging is set up for the whole process: put it back after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logging.getLogger("journeys").setLevel(logging.NOTSET)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """Every line, decoded."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def configured(**options: Any) -> io.StringIO:
    """Logging onto a text that can be looked at."""
    out = io.StringIO()
    logs.configure(stream=out, **options)
    return out


def test_log_lines_are_json_without_a_terminal() -> None:
    """Each line has the event, its level, the time and its fields."""
    out = configured()
    log("orders.assigned", partitions=["orders.completed/0"])
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "orders.assigned", "level": "info", "partitions": ["orders.completed/0"]}


def test_json_lines_begin_with_time_level_and_event() -> None:
    """A person who reads the raw lines finds the event's name in one place, then the order, then the fields."""
    out = configured()
    log("orders.assigned", partitions=["orders.completed/0"])

    def work() -> None:
        bind_order("A-1")
        log("order.dead_lettered", reason="status-400", records=1)

    contextvars.copy_context().run(work)
    logging.getLogger("librdkafka").warning("FAIL")
    assert [list(line) for line in lines(out)] == [
        ["timestamp", "level", "event", "partitions"],
        ["timestamp", "level", "event", "order_id", "reason", "records"],
        ["timestamp", "level", "event", "logger", "message"],
    ]


def test_every_log_line_of_an_order_holds_its_id() -> None:
    """Orders worked on side by side do not mix their ids."""
    out = configured(level="debug")

    async def work(order_id: str, done: asyncio.Event) -> None:
        bind_order(order_id)
        await done.wait()
        log("order.published")

    async def both() -> None:
        done = asyncio.Event()
        tasks = [asyncio.create_task(work(order_id, done)) for order_id in ("a", "b")]
        await asyncio.sleep(0)
        done.set()
        await asyncio.gather(*tasks)
        log("worker.stopped")

    asyncio.run(both())
    assert [line.get("order_id") for line in lines(out)] == ["a", "b", None]


def test_debug_lines_are_written_only_when_asked_for() -> None:
    """A line for each order is written only at the debug level."""
    out = configured(level="warning")
    log("order.published")
    log("worker.started")
    log("api.paused")
    assert [line["event"] for line in lines(out)] == ["api.paused"]
    assert logs.wants("api.paused")
    assert not logs.wants("order.published")


def test_secrets_are_hidden_at_any_depth() -> None:
    """Redaction looks at the names of fields and at addresses, at any depth."""
    out = configured()
    log(
        "worker.starting",
        api_key="s3cret",
        kafka={"sasl.password": "s3cret", "ssl": [{"ssl.key.pem": "s3cret"}]},
        registry="http://me:s3cret@registry:8081/x",
        mirror="http://me:odd@s3cret@registry:8081/x",
        why="no token: Unrecognized sasl.oauthbearer.config beginning at: secret=s3cret",
        key="orders/0",
    )
    assert "s3cret" not in out.getvalue()
    assert lines(out)[0]["registry"] == "http://***@registry:8081/x"
    assert lines(out)[0]["key"] == "orders/0"


def test_a_traceback_holds_no_values() -> None:
    """Local variables of a failed call may hold a journey, so no line holds them."""
    out = configured()

    def fail(email: str) -> None:
        raise RuntimeError(f"{len(email)} characters")

    try:
        fail("jane@" + "example.org")
    except RuntimeError as error:
        log("worker.failed", exc_info=error)
    assert "RuntimeError: 16 characters" in lines(out)[0]["exception"]
    assert "jane@example.org" not in out.getvalue()


def test_an_order_id_cannot_break_a_log_line() -> None:
    """Line breaks and terminal codes of an id do not reach the terminal."""
    out = configured(log_format="console")

    def work() -> None:
        bind_order("1\n\x1b[31mred")
        log("order.dead_lettered", reason="journey-too-large")

    contextvars.copy_context().run(work)
    assert out.getvalue().count("\n") == 1
    assert "\x1b[31m" not in out.getvalue()
    assert "order.dead_lettered" in out.getvalue()


def test_warnings_of_libraries_are_log_lines_of_the_same_form() -> None:
    """A warning of librdkafka is a line like any other; the requests of httpx are not logged."""
    out = configured()
    logging.getLogger("httpx").info("HTTP Request: POST http://api")
    logging.getLogger("librdkafka").warning("FAIL %s", "http://me:pw@broker")
    (line,) = lines(out)
    assert (line["event"], line["logger"], line["level"]) == ("library.message", "librdkafka", "warning")
    assert line["message"] == "FAIL http://***@broker"


def test_repeated_library_warnings_are_throttled() -> None:
    """Each kind of message, by its first word, is logged once in ten seconds; the next line counts the rest."""
    out = configured()
    (handler,) = logging.getLogger().handlers
    for second, text in ((0, "FAIL one"), (1, "FAIL two"), (2, "SESSTMOUT"), (9, "FAIL three"), (10, "FAIL four")):
        handler.handle(logging.makeLogRecord({"name": "librdkafka", "msg": text, "created": second}))
    logged = [(line["message"], line.get("left_out")) for line in lines(out)]
    assert logged == [("FAIL one", None), ("SESSTMOUT", None), ("FAIL four", 2)]


def test_library_warnings_are_logged_after_the_clock_was_set_back() -> None:
    """Else they would be left out for as long as it was set back."""
    out = configured()
    (handler,) = logging.getLogger().handlers
    for second in (7200, 3600, 3601):
        handler.handle(logging.makeLogRecord({"name": "librdkafka", "msg": f"FAIL {second}", "created": second}))
    assert [line["message"] for line in lines(out)] == ["FAIL 7200", "FAIL 3600"]


class Broken(io.StringIO):
    """A stream that takes nothing while it has an error."""

    error: Exception | None = None

    def write(self, text: str) -> int:
        """As any stream's."""
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("error", [OSError(ENOSPC, "disk full"), BrokenPipeError(), ValueError("closed file")])
def test_an_unwritable_log_line_is_counted_and_stops_nothing(error: Exception) -> None:
    """A log line that cannot be written never stops the work; lines of libraries neither."""
    out = Broken()
    output = logs.configure(stream=out)
    out.error = error
    log("worker.started")
    logging.getLogger("librdkafka").warning("FAIL")
    out.error = None
    log("worker.stopped")
    assert output.lost == 2
    assert [line["event"] for line in lines(out)] == ["worker.stopped"]


def test_every_log_event_has_a_level_and_a_dotted_name() -> None:
    """Names are made of the same parts as those of metrics."""
    assert set(logs.LEVELS) | {"library.message"} == set(get_args(EventName))
    assert [name for name in get_args(EventName) if name.count(".") != 1] == []


def test_nothing_is_written_before_logging_is_set_up() -> None:
    """Importing the package writes no log line."""
    out = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(out))
    log("worker.failed")
    assert out.getvalue() == ""
