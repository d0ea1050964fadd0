"""The states of the Kafka thread's transactions, as a table. Sans-I/O.

    ready       there is a producer and no outcome is unknown: a transaction may begin
    open        a transaction is under way: no poll until its outcome is known
    aborted     poll, so that revoked partitions are dropped, before the rest is sent again
    in doubt    there is no producer: read the committed offsets back, before anything is sent again

A step that is not in the table is a defect, and stops the worker. docs/exactly-once.md shows the table as a diagram.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from journeys.producer.publisher import Outcome


class State(StrEnum):
    """The state of the transactions."""

    READY = "ready"
    OPEN = "open"
    ABORTED = "aborted"
    IN_DOUBT = "in doubt"


class Step(StrEnum):
    """A step of the Kafka thread that leads from one state to the next."""

    BEGIN = "begin"
    POLL = "poll"
    STAY_OUT = "not in the group yet"
    """Kafka would refuse the offsets of a transaction, so none begins."""
    READ_BACK = "new producer, committed offsets read"
    NO_ANSWER = "Kafka does not answer"


Trigger: TypeAlias = Step | Outcome
"""A trigger leads to the next state: a step of the thread, or the outcome of a transaction."""

FIRST: Final = State.IN_DOUBT
"""The transaction that an earlier worker may have left open is settled first."""
NEXT: Final[Mapping[tuple[State, Trigger], State]] = {
    (State.IN_DOUBT, Step.READ_BACK): State.READY,
    (State.IN_DOUBT, Step.NO_ANSWER): State.IN_DOUBT,
    (State.IN_DOUBT, Step.POLL): State.IN_DOUBT,
    (State.READY, Step.POLL): State.READY,
    (State.READY, Step.BEGIN): State.OPEN,
    (State.READY, Step.STAY_OUT): State.ABORTED,
    (State.OPEN, Outcome.COMMITTED): State.READY,
    (State.OPEN, Outcome.ABORTED): State.ABORTED,
    (State.OPEN, Outcome.UNKNOWN): State.IN_DOUBT,
    (State.ABORTED, Step.POLL): State.READY,
}
