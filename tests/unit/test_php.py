"""JSON as PHP writes it."""

from __future__ import annotations

from journeys.php import as_list


def test_an_object_with_integer_keys_is_a_list() -> None:
    """PHP's `json_encode` writes an array with a gap as an object. One other key makes it a real object."""
    assert as_list({"0": "a", "2": {"1": "b"}}) == ["a", {"1": "b"}]
    assert as_list({}) == []
    assert as_list({"0": "a", "id": "b"}) == {"0": "a", "id": "b"}
    assert as_list({"1.5": "a"}) == {"1.5": "a"}
    assert as_list("0") == "0"
