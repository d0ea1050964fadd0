"""What the Kafka thread may do next about its transactions: a table, and the thread goes by it. Pure.

    ready       there is a producer, and nothing is in doubt: what has gathered may go out
    open        a transaction is under way: no poll until its outcome is known
    aborted     poll, which drops what is no longer ours, before the rest is sent again
    in doubt    there is no producer: the next one reads back what took effect, before anything is sent again

What is in no line of the table must not happen, and ends the worker. docs/exactly-once.md shows it as a diagram.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from journeys.producer.publisher import Outcome


class State(StrEnum):
    """How it stands with transactions."""

    READY = "ready"
    OPEN = "open"
    ABORTED = "aborted"
    IN_DOUBT = "in doubt"


class Step(StrEnum):
    """What the Kafka thread does."""

    BEGIN = "begin"
    POLL = "poll"
    STAY_OUT = "not in the group yet"
    """A transaction would be refused, so none is begun."""
    READ_BACK = "new producer, committed offsets read"
    NO_ANSWER = "Kafka does not answer"


Happening: TypeAlias = Step | Outcome

FIRST: Final = State.IN_DOUBT
"""What the worker before this one left open is settled first."""
NEXT: Final[Mapping[tuple[State, Happening], State]] = {
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
