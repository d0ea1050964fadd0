"""Log lines: stable event names, one JSON object a line (or a pretty line on a terminal), on stderr.

Users build alerts on event names: they are a type here, and a table gives the level of each. A JSON line begins with
`timestamp`, `level` and `event`. Fields name things and count them; none ever holds an event of a journey, a key or an
e-mail address. Tracebacks are plain, without the values of local variables, for the same reason. A line that cannot be
written is lost; the worker goes on.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO, TypeAlias, cast, get_args

import structlog
from structlog.typing import Processor

from journeys.redact import HIDDEN, names_secret, without_credentials

EventName: TypeAlias = Literal[
    "worker.starting",
    "worker.started",
    "worker.stopping",
    "worker.stopped",
    "worker.failed",
    "worker.stuck",
    "worker.unstuck",
    "ops.listening",
    "registry.schemas_known",
    "registry.failing",
    "kafka.unreachable",
    "group.waiting",
    "group.joined",
    "orders.assigned",
    "orders.revoked",
    "orders.lost",
    "orders.waiting",
    "orders.under_prefix",
    "orders.start_at_end",
    "orders.summary",
    "order.published",
    "order.retried",
    "order.dead_lettered",
    "order.skipped",
    "order.slow",
    "api.probed",
    "api.probe_failed",
    "retry.foreign",
    "events.rejected",
    "transaction.committed",
    "transaction.aborted",
    "transaction.unknown",
    "transaction.recovered",
    "topic.missing",
    "topic.found",
    "topic.forbidden",
    "topic.allowed",
    "topic.without_id",
    "api.unauthorized",
    "api.authorized",
    "api.paused",
    "api.failing",
    "api.recovered",
    "dead_letters.flood",
    "dead_letters.resumed",
    "intake.held",
    "intake.resumed",
    "tracing.failing",
    "tracing.recovered",
    "library.message",
]
Format: TypeAlias = Literal["auto", "json", "console"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_NUMBERS: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NOT_INFO: Final[Mapping[EventName, Level]] = {
    "order.published": "debug",  # one per order: thousands a second
    "order.skipped": "debug",
    "transaction.committed": "debug",
    "order.dead_lettered": "warning",
    "order.slow": "warning",
    "retry.foreign": "warning",
    "api.probe_failed": "warning",
    "events.rejected": "warning",
    "group.waiting": "warning",
    "orders.lost": "warning",
    "orders.under_prefix": "warning",
    "transaction.aborted": "warning",
    "transaction.unknown": "warning",
    "kafka.unreachable": "warning",
    "registry.failing": "warning",
    "api.paused": "warning",
    "api.failing": "warning",
    "intake.held": "warning",
    "tracing.failing": "warning",
    "dead_letters.flood": "error",
    "api.unauthorized": "error",
    "topic.missing": "error",
    "topic.forbidden": "error",
    "topic.without_id": "warning",
    "worker.failed": "error",
    "worker.stuck": "error",
}
LEVELS: Final[Mapping[EventName, Level]] = {
    event: _NOT_INFO.get(event, "info") for event in get_args(EventName) if event != "library.message"
}
"""The level of each event; that of a library's message is the library's own."""

_FIRST: Final = ("timestamp", "level", "event", "order_id")
"""Fields that each JSON line begins with, as far as it has them."""
_SELDOM_S: Final = 10.0
"""Seconds between two lines of a library about the same kind of thing."""
_LOGGER: Final = logging.getLogger("journeys")
"""Holds the lowest level that is written; `NOTSET` until `configure` was called, and then nothing is written."""


class LogOutput:
    """The stream that log lines are written to, each at once. Safe to use from any thread.

    A line that the stream refuses (a full disk, a closed pipe) is lost and counted.
    """

    def __init__(self, stream: TextIO, *, for_people: bool) -> None:
        self._stream = stream
        self.for_people: Final = for_people
        """Whether lines are written for people to read, not as JSON."""
        self.lost = 0
        """Lines that could not be written so far."""

    def write(self, text: str) -> None:
        """Write a line, or a part of one. Blocks as the stream does; never raises for a line that is lost."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.lost += 1

    def flush(self) -> None:
        """Do nothing: `write` flushes."""


def configure(*, log_format: Format = "auto", level: Level = "info", stream: TextIO | None = None) -> LogOutput:
    """Set up logging of this process, onto `stream` (stderr). `auto` is `console` on a terminal, else `json`."""
    out = sys.stderr if stream is None else stream
    output = LogOutput(out, for_people=log_format == "console" or (log_format == "auto" and out.isatty()))
    lines = cast("TextIO", output)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    render = _pretty(colours=out.isatty()) if output.for_people else _json()
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.WriteLoggerFactory(lines),
        cache_logger_on_first_use=False,
    )
    _LOGGER.setLevel(_NUMBERS[level])
    _take_over_libraries(lines, shared, render)
    return output


def log(event: EventName, **fields: Any) -> None:
    """Write one line. A level that is not wanted costs a dictionary look-up. `exc_info` may hold an exception."""
    if wants(event):
        getattr(structlog.get_logger(), LEVELS[event])(event, **fields)


def wants(event: EventName) -> bool:
    """Whether a line of this event is written. Ask before you compute fields that cost time."""
    return 0 < _LOGGER.level <= _NUMBERS[LEVELS[event]]


def bind_order(order_id: str) -> None:
    """Put `order_id` on every line that this task, or one started in it, writes from here on."""
    structlog.contextvars.bind_contextvars(order_id=order_id)


def _redact(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide all that looks like a secret, at any depth: the last line of defence."""
    for name, value in fields.items():
        fields[name] = _clean(name, value)
    return fields


def _clean(name: str, value: Any) -> Any:
    if names_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    return value


def _json() -> list[Processor]:
    return [_in_order, structlog.processors.JSONRenderer(default=str)]


def _in_order(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the fields that identify a line first, so that people find them without a JSON parser."""
    first = {name: fields.pop(name) for name in _FIRST if name in fields}
    return {**first, **fields}


def _pretty(*, colours: bool) -> list[Processor]:
    return [
        _one_line,
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    ]


def _one_line(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An order id may hold anything, also line breaks and terminal codes."""
    for name, value in fields.items():
        if isinstance(value, str) and name != "exception" and not value.isprintable():
            fields[name] = repr(value)
    return fields


def _take_over_libraries(out: TextIO, shared: list[Processor], render: list[Processor]) -> None:
    """Write what libraries log through `logging`, from WARNING up, as lines of the same form."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_message, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, _LOGGER.level))
    logging.captureWarnings(capture=True)


class _Seldom(logging.Filter):
    """Limits a library to one line of a kind in ten seconds; the next line counts those left out as `left_out`.

    While no broker answers, librdkafka logs each attempt to connect: many lines a second. The kind of a message is
    its first word; librdkafka puts the name of the happening there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written_at: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record becomes a line."""
        kind = (record.name, record.getMessage().partition(" ")[0])
        passed_s = record.created - self._written_at.get(kind, -math.inf)
        if 0 <= passed_s < _SELDOM_S:  # less than 0: the wall clock was set back
            self._left_out[kind] += 1
            return False
        self._written_at[kind] = record.created
        record.left_out = self._left_out.pop(kind, 0)
        return True


def _library_message(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = fields.get("_record")
    fields["logger"] = getattr(record, "name", "unknown")
    fields["message"] = fields.pop("event", "")
    fields["event"] = "library.message"
    if left_out := getattr(record, "left_out", 0):
        fields["left_out"] = left_out
    return fields
