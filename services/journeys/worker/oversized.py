"""The dead letter of an order whose records Kafka refuses as too large."""

from __future__ import annotations

from msgspec import structs

from journeys.errors import HaltError, RejectedOrderError
from journeys.routing import Routes, route_failure, strip_letter
from journeys.trace_context import stamp
from journeys.worker.handover import FinishedOrder, taken_by


def replace_oversized(finished: FinishedOrder, routes: Routes, *, now_ms: int) -> FinishedOrder:
    """A dead letter instead of a journey with a record that is too large.

    If Kafka also refused the dead letter, only its `error-*` headers and the order id are left of it. Raises HaltError
    if Kafka refused even that.
    """
    position = finished.message.position
    if finished.outcome == "dead-lettered":
        [letter] = finished.records
        if (stripped := strip_letter(letter, finished.order)) is None:
            raise HaltError(f"Kafka does not take the dead letter of {position}: raise max.message.bytes of its topic")
        records = stamp([stripped], finished.trace)
        return structs.replace(finished, records=records, size=taken_by(records))
    error = RejectedOrderError(
        f"Kafka does not take a record of the journey of {position}: it is too large (max.message.bytes)",
        reason="record-too-large",
        stage="publish",
    )
    record, outcome = route_failure(finished.message, finished.order, error, routes, now_ms=now_ms)
    records = stamp([record], finished.trace)
    return structs.replace(finished, outcome=outcome, records=records, size=taken_by(records), reason=error.reason)
