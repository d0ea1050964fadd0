"""The headers that we write, read and strip."""

from __future__ import annotations

from enum import StrEnum

import pytest

from journeys.headers import ErrorHeader, RecordHeader, ReplayHeader, RetryHeader, TraceHeader


@pytest.mark.parametrize("header", [*RetryHeader, *ErrorHeader, *ReplayHeader, *TraceHeader, *RecordHeader])
def test_header_is_found_by_its_text(header: StrEnum) -> None:
    """Headers that were read are plain strings, and sets of ours must find them."""
    assert str(header) in frozenset(type(header))


def test_error_and_replay_headers_share_a_prefix() -> None:
    """They stand beside the user's headers in any topic, so their names must not be taken for those."""
    assert all(header.startswith("error-") for header in ErrorHeader)
    assert all(header.startswith("replay-") for header in ReplayHeader)
    assert not {*ErrorHeader, *ReplayHeader} & {*RetryHeader, *RecordHeader}
