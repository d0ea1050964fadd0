"""Log lines: stable event names, one JSON object a line (or a pretty line on a terminal), on stderr.

An event name is part of what users build alerts on: it is a type here, and a table gives its level. Fields name
things and count them; none ever holds an event of a journey, a key or an e-mail address. Tracebacks are plain,
without the values of local variables, for the same reason. A line that cannot be written is lost, and ends nothing.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
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
    "orders.assigned",
    "orders.revoked",
    "orders.lost",
    "orders.waiting",
    "order.published",
    "order.retried",
    "order.dead_lettered",
    "order.skipped",
    "events.rejected",
    "transaction.committed",
    "transaction.aborted",
    "transaction.unknown",
    "transaction.recovered",
    "api.unauthorized",
    "api.authorized",
    "api.paused",
    "api.failing",
    "api.recovered",
    "dead_letters.flood",
    "dead_letters.resumed",
    "intake.held",
    "intake.resumed",
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
    "events.rejected": "warning",
    "orders.lost": "warning",
    "transaction.aborted": "warning",
    "transaction.unknown": "warning",
    "kafka.unreachable": "warning",
    "registry.failing": "warning",
    "api.paused": "warning",
    "api.failing": "warning",
    "intake.held": "warning",
    "dead_letters.flood": "error",
    "api.unauthorized": "error",
    "worker.failed": "error",
    "worker.stuck": "error",
}
LEVELS: Final[Mapping[EventName, Level]] = {
    event: _NOT_INFO.get(event, "info") for event in get_args(EventName) if event != "library.message"
}
"""The level of each event; that of a library's message is the library's own."""

_SELDOM: Final = 10.0
"""Seconds between two lines of a library that tell the same kind of thing."""


class _Threshold:
    """The lowest level that is written; nothing is, until `configure` was called."""

    number = 100


class _Losses:
    """Who is told of a line that is lost: nobody, until `when_lost` was called."""

    tell: Callable[[], object] = staticmethod(lambda: None)


class _Lines:
    """A stream of lines, each written at once. One that it does not take is lost: a full disk, a closed pipe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, line: str) -> None:
        try:
            self._out.write(line)
            self._out.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            _Losses.tell()

    def flush(self) -> None:
        """Nothing is held back."""


def configure(*, form: Format = "auto", level: Level = "info", stream: TextIO | None = None) -> bool:
    """Set up logging of this process, onto `stream` (stderr). `auto` is `console` on a terminal, else `json`.

    Returns whether lines are for people.
    """
    out = sys.stderr if stream is None else stream
    lines = cast("TextIO", _Lines(out))
    pretty = form == "console" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    render = _pretty(colours=out.isatty()) if pretty else _json()
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.WriteLoggerFactory(lines),
        cache_logger_on_first_use=False,
    )
    _Threshold.number = _NUMBERS[level]
    _take_in_libraries(lines, shared, render)
    return pretty


def when_lost(tell: Callable[[], object]) -> None:
    """Call `tell` for each line that cannot be written, from any thread."""
    _Losses.tell = tell


def log(event: EventName, **fields: Any) -> None:
    """Write one line. A level that is not wanted costs a dictionary look-up. `exc_info` may hold an exception."""
    level = LEVELS[event]
    if _NUMBERS[level] >= _Threshold.number:
        getattr(structlog.get_logger(), level)(event, **fields)


def wants(event: EventName) -> bool:
    """Whether a line of this event is written: worth asking before its fields are worked out."""
    return _NUMBERS[LEVELS[event]] >= _Threshold.number


def bind_order(order_id: str) -> None:
    """Put `order_id` on every line that this task, or one started in it, writes from here on."""
    structlog.contextvars.bind_contextvars(order_id=order_id)


def _redact(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last line of defence: nothing that looks like a secret leaves, at any depth."""
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
    return [structlog.processors.JSONRenderer(default=str)]


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


def _take_in_libraries(out: TextIO, shared: list[Processor], render: list[Processor]) -> None:
    """What libraries say through `logging`, from WARNING up, becomes lines of the same form."""
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
    root.setLevel(max(logging.WARNING, _Threshold.number))
    logging.captureWarnings(capture=True)


class _Seldom(logging.Filter):
    """Lets a library say the same kind of thing once in ten seconds; the next line tells how many were left out.

    While no broker is there, librdkafka tells of each attempt to connect: many lines a second. The kind of a message
    is its first word, which librdkafka gives its name for what happened.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record becomes a line."""
        kind = (record.name, record.getMessage().partition(" ")[0])
        if record.created - self._told.get(kind, -math.inf) < _SELDOM:
            self._left_out[kind] += 1
            return False
        self._told[kind] = record.created
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
