"""`journeys send`: wrong usage, before a broker is asked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from journeys.cli import main


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A file of two orders."""
    file = tmp_path / "orders.txt"
    file.write_text("A-1\nA-2\n", "utf-8")
    return file


def error(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command wrote to stderr, in one line without the frame."""
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "name order ids, or a file"),
        (["A-1", "--file", "FILE"], "not both"),
        (["A-1", "--column", "id"], "needs --file"),
        (["A-1", "--resume"], "kept beside it"),
        (["--file", "-", "--resume"], "kept beside it"),
        (["--file", "FILE", "--resume"], "nothing to resume"),
        (["--file", "FILE", "--column", "id"], "no column 'id'"),
        (["--file", "FILE.csv"], "needs --column"),
        (["--file", "FILE.gone"], "No such file"),
        (["--file", "/"], "Is a directory"),
        (["A-1", "--rate", "0"], "--rate"),
        (["A-1", "--topic", "journey.ads"], "the worker writes to journey.ads"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], why: str, orders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the option and the reason."""
    given = [argument.replace("FILE", str(orders)) for argument in arguments]
    assert main(["send", *given]) == 2
    assert why in error(capsys)


def test_workers_that_read_avro_only_are_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the setting."""
    monkeypatch.setenv("JOURNEYS_ORDERS__FORMAT", "avro")
    assert main(["send", "A-1"]) == 2
    assert "journeys: JOURNEYS_ORDERS__FORMAT: " in capsys.readouterr().err


def test_unreadable_lines_stop_the_run_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the first of them; a file that is no list of orders sends nothing."""
    monkeypatch.setattr("sys.stdin", io.StringIO("A-1\n" + "{}\n" * 7))
    assert main(["send", "--file", "-"]) == 1
    shown = capsys.readouterr().err
    assert "nothing was sent" in shown
    assert "line 2: the message has no /order_id" in shown
    assert "and 2 more" in shown


def test_file_that_is_not_text_is_exit_code_2(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet's own format, for example."""
    orders.write_bytes(b"PK\xff\xfe")
    assert main(["send", "--file", str(orders)]) == 2
    assert "is not UTF-8" in error(capsys)


def test_unfinished_run_is_not_begun_again_by_accident(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says how to go on, and how to begin anew."""
    state = '{"topic":"orders.completed","orders":2,"digest":"x","acknowledged":[[0,1]],"version":1}'
    orders.with_name("orders.txt.sent").write_text(state, "utf-8")
    assert main(["send", "--file", str(orders)]) == 2
    assert "stopped after 1 of 2 orders: --resume sends the rest" in error(capsys)
