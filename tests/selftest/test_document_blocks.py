"""The comparison of a command's output with a document."""

from __future__ import annotations

import pytest
from tests.support.document_blocks import Command


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("sent 1 order\n", "sent 1 order  \n", True),
        ("sent 1 order\n", "sent 2 orders\n", False),
        ("sent 1 order\n", "sent 1 order\nand more\n", False),
        ("first\n…\nlast … s\n", "first\nsecond\nthird\nlast 1.5 s\n", True),
        ("first\n…\nlast\n", "first\nsecond\n", False),
        ("", "anything\n", True),
    ],
)
def test_output_is_compared_with_the_document(shown: str, printed: str, same: bool) -> None:
    """`…` stands for any text, blanks at ends of lines do not count, and no output shown is no claim."""
    assert Command("journeys send", shown).prints(printed) is same
