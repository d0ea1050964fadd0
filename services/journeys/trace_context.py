"""The trace of an order, as record headers carry it, and the decision which orders are traced. No I/O.

The format of `traceparent` is that of W3C Trace Context (https://www.w3.org/TR/trace-context/, section 3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import structs

from journeys.headers import TraceHeader
from journeys.model import OrderMessage, Record

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
"""Version, trace id, span id and flags. Later versions may append more after a hyphen."""
_SAMPLED: Final = 1
"""The flag of a trace that its sender records."""


class TraceContext(msgspec.Struct, frozen=True):
    """A span, as other programs refer to it."""

    trace_id: int
    """128 bits, not 0."""
    span_id: int
    """64 bits, not 0."""
    is_sampled: bool = True
    """Whether the span is recorded."""

    @property
    def traceparent(self) -> bytes:
        """The value of the header `traceparent`."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.span_id, _SAMPLED * self.is_sampled)


def incoming(message: OrderMessage) -> TraceContext | None:
    """The span that an order message belongs to; None without a valid `traceparent`."""
    if not message.headers or (text := message.header(TraceHeader.PARENT)) is None:
        return None
    found = _TRACEPARENT.fullmatch(text)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace_id, span_id, flags = (int(found[index], 16) for index in (2, 3, 4))
    return TraceContext(trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None


def is_traced(parent: TraceContext | None, *, ratio: float, chance: Callable[[], float]) -> bool:
    """Whether an order is traced: as its `parent` is, or by chance without one.

    `ratio` is the share of orders that are traced by chance. `chance` returns numbers in [0, 1).
    """
    return chance() < ratio if parent is None else parent.is_sampled


def stamp(records: Sequence[Record], context: TraceContext | None) -> list[Record]:
    """The records with a `traceparent` that refers to this span, instead of an earlier one; None changes nothing."""
    if context is None:
        return [*records]
    header = (str(TraceHeader.PARENT), context.traceparent)
    return [
        structs.replace(record, headers=[*(each for each in record.headers if each[0] != TraceHeader.PARENT), header])
        for record in records
    ]
