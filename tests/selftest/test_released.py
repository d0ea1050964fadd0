"""The check of released schemas finds each kind of change that readers cannot take."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.released import broken_promises
from tests.support.schema_changes import CHANGES, RELEASED


def test_the_same_types_and_more_keep_the_promise() -> None:
    """A new field and a new type break nothing, and neither does another doc."""
    more = {"name": "more", "type": ["null", "long"], "default": None, "doc": "New."}
    grown = RELEASED | {"doc": "Other words.", "fields": [*RELEASED["fields"], more]}
    assert broken_promises({"Sample": RELEASED}, {"Sample": grown, "New": RELEASED}) == []


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_a_released_field_is_found(changed: dict[str, Any]) -> None:
    """The field is named."""
    [line] = broken_promises({"Sample": RELEASED}, {"Sample": changed})
    assert line.startswith(("Sample.price: ", "Sample.at: ", "Sample.note: "))


def test_a_type_that_is_gone_is_found() -> None:
    """A renamed type is gone, and so is one that moved to another namespace."""
    assert broken_promises({"Sample": RELEASED}, {}) == ["Sample: the type is gone"]
    moved = RELEASED | {"namespace": "journeys.v2"}
    assert broken_promises({"Sample": RELEASED}, {"Sample": moved}) == ["Sample: the type is gone"]
