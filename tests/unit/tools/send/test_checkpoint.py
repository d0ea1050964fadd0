"""How far a run came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.tools.send.checkpoint import Acknowledged, Checkpoint, digest_of


@given(st.permutations(range(12)), st.integers(0, 12))
def test_acknowledgements_survive_the_round_trip_in_any_order(order: list[int], count: int) -> None:
    """The spans hold exactly the acknowledged indices."""
    done = Acknowledged()
    for index in order[:count]:
        done.add(index)
    again = Acknowledged(done.spans())
    assert len(again) == len(done) == count
    assert {index for index in range(12) if index in again} == set(order[:count])
    assert again.spans() == done.spans()


def test_checkpoint_survives_the_round_trip() -> None:
    """It is one line of JSON."""
    state = Checkpoint(topic="orders", orders=9, digest=digest_of(["a"]), acknowledged=[(0, 3), (5, 6)])
    assert Checkpoint.from_text(state.to_text()) == state
    assert state.to_text().count("\n") == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version":2}', '{"version":1,"topic":"o"}', "x"])
def test_other_texts_are_refused(text: str) -> None:
    """Also the state of another release."""
    with pytest.raises(ValueError, match=r"version|no state"):
        Checkpoint.from_text(text)


def test_digest_depends_on_the_order_and_the_ends_of_ids() -> None:
    """Two inputs with the same letters are different inputs."""
    assert len({digest_of(ids) for ids in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5
