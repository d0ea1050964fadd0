"""The file beside the input."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys.errors import HaltError
from journeys.tools.send.checkpoint import Acknowledged, digest_of
from journeys.tools.send.state_file import StateFile

ORDERS = ("a", "b", "c")


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    """The state of a run over a file, which stopped after one order."""
    state = StateFile(tmp_path / "orders.csv")
    state.save("orders", len(ORDERS), digest_of(ORDERS), Acknowledged([(0, 1)]))
    return state


def test_run_without_a_state_begins_at_the_first_order(tmp_path: Path) -> None:
    """With --resume it is refused: a complete run must not be repeated by accident."""
    state = StateFile(tmp_path / "orders.csv")
    assert len(state.acknowledged("orders", ORDERS, resume=False)) == 0
    with pytest.raises(ValueError, match=r"nothing to resume: .*orders\.csv\.sent does not exist"):
        state.acknowledged("orders", ORDERS, resume=True)


def test_interrupted_run_is_resumed(state: StateFile) -> None:
    """Until the state is removed at the end."""
    assert state.acknowledged("orders", ORDERS, resume=True).spans() == [(0, 1)]
    state.remove()
    assert len(state.acknowledged("orders", ORDERS, resume=False)) == 0


@pytest.mark.parametrize(
    ("topic", "orders", "resume", "why"),
    [
        ("orders", ORDERS, False, "stopped after 1 of 3 orders"),
        ("others", ORDERS, True, "sent to orders"),
        ("orders", ("a", "b"), True, "other orders"),
    ],
)
def test_another_run_is_refused(state: StateFile, topic: str, orders: tuple[str, ...], resume: bool, why: str) -> None:
    """The error says how to go on and how to begin anew."""
    with pytest.raises(ValueError, match=rf"{why}.*remove .*orders\.csv\.sent"):
        state.acknowledged(topic, orders, resume=resume)


def test_damaged_or_unwritable_state_halts(state: StateFile, tmp_path: Path) -> None:
    """The error names the file."""
    state.path.write_text("no state", "utf-8")
    with pytest.raises(HaltError, match=r"orders\.csv\.sent is damaged"):
        state.acknowledged("orders", ORDERS, resume=True)
    nowhere = StateFile(tmp_path / "gone" / "orders.csv")
    with pytest.raises(HaltError, match=r"cannot write .*--file -"):
        nowhere.save("orders", 0, "", Acknowledged())
