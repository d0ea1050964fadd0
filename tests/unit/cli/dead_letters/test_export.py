"""`journeys dead-letters export`, without a broker."""

from __future__ import annotations

import json

from tests.support.json_pages import differences
from tests.support.order_story import letter, message

from journeys.cli.dead_letters.export import write_all


def test_export_counts_the_letters_that_it_wrote() -> None:
    """Retention may remove letters after they were chosen: these are not counted."""
    lines: list[str] = []
    assert write_all([], lines.append) == 0
    assert write_all([(letter(1), message("dead", 4)), (letter(2), message("dead", 5))], lines.append) == 2
    assert [differences("journeys dead-letters show", json.loads(line)) for line in lines] == [[], []]
    assert [line.count("\n") for line in lines] == [1, 1]
