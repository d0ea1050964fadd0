"""The allowed transitions of a transaction: the rules in the table, and the document that shows it."""

from __future__ import annotations

from tests.support.diagram import DOCUMENT, with_diagram

from journeys.producer.publisher import Outcome
from journeys.worker.kafka_thread.states import FIRST, NEXT, State, Step


def leading_to(state: State) -> set[tuple[State, str]]:
    """From where, and how, a state is reached from another."""
    return {(before, happened) for (before, happened), after in NEXT.items() if after is state and before is not after}


def test_transaction_begins_only_in_the_ready_state() -> None:
    """After an abort a poll comes first, after an unknown outcome the committed offsets."""
    assert leading_to(State.OPEN) == {(State.READY, Step.BEGIN)}
    assert leading_to(State.READY) == {
        (State.OPEN, Outcome.COMMITTED),
        (State.ABORTED, Step.POLL),
        (State.IN_DOUBT, Step.READ_BACK),
    }


def test_open_transaction_ends_only_with_an_outcome() -> None:
    """No poll before that: it could let stale offsets through."""
    assert {happened for state, happened in NEXT if state is State.OPEN} == set(Outcome)


def test_worker_begins_in_doubt() -> None:
    """Its predecessor may have left a transaction open."""
    assert FIRST is State.IN_DOUBT


def test_document_shows_the_state_table() -> None:
    """`python -m tests.support.diagram` writes it anew."""
    document = DOCUMENT.read_text()
    assert document == with_diagram(document)
