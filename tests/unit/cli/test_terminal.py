"""Text from outside on a terminal."""

from __future__ import annotations

import pytest

from journeys.cli.terminal import complain, harmless, shortened


def test_long_text_loses_its_middle() -> None:
    """The beginning and the end stay."""
    text = shortened("begin " + "x" * 60_000 + " end")
    assert text.startswith("begin x")
    assert text.endswith("x end")
    assert len(text) < 3_000
    assert shortened("short") == "short"


@pytest.mark.parametrize(
    ("text", "shown"), [("a\nb", r"a\nb"), ("\x1b[2J", r"\x1b[2J"), ("\u202ea", r"\u202ea"), ("日本 é", "日本 é")]
)
def test_terminal_codes_are_escaped(text: str, shown: str) -> None:
    """Line breaks and marks of direction are escaped too; other characters stay."""
    assert harmless(text) == shown


def test_complaint_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line begins with the command's name."""
    complain("no topics", "try:\nthis")
    assert capsys.readouterr() == ("", "journeys: no topics\njourneys: try:\\nthis\n")
