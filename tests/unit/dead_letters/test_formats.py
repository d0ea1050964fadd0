"""Letters as JSON: no byte is lost, and secret headers are hidden on request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.exported import data_of

from journeys.dead_letters.formats import content, whole
from journeys.dead_letters.letters import ReplayedOffsets, read_letter
from journeys.model import OrderMessage, Position


@given(st.one_of(st.none(), st.binary(), st.text().map(str.encode)))
def test_any_bytes_survive_the_round_trip(data: bytes | None) -> None:
    """JSON gives back the same bytes, UTF-8 or not."""
    assert data_of(json.loads(json.dumps(content(data)))) == data


def test_text_stays_readable() -> None:
    """UTF-8 is text; anything else is marked as base64."""
    assert content("Größe".encode()) == {"text": "Größe"}
    assert content(b"\xff\xfe") == {"base64": "//4="}
    assert content(b"") == {"text": ""}


@pytest.mark.parametrize("hide", [True, False])
def test_secret_headers_are_hidden_on_request(hide: bool) -> None:
    """Their names decide; other headers and the order of all stay."""
    headers = (("trace", b"t"), ("Authorization", b"Bearer s3cret"), ("trace", b"\xff"))
    message = OrderMessage(
        position=Position(topic="t", partition=0, offset=1), key=None, value=b"A-1", headers=headers, timestamp_ms=5
    )

    letter = read_letter(message, ReplayedOffsets(watermark=0), order=None)
    answer = whole(letter, message, hide_secrets=hide)
    assert ("s3cret" in json.dumps(answer)) is not hide
    assert [header["name"] for header in answer["headers"]] == ["trace", "Authorization", "trace"]
    assert answer["headers"][2]["value"] == {"base64": "/w=="}
    assert (answer["key"], answer["value"], answer["timestamp_ms"]) == (None, {"text": "A-1"}, 5)
