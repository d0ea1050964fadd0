"""The headers that we write, read and strip."""

from __future__ import annotations

from enum import StrEnum

import pytest

from journeys.headers import REPLAY_COUNT, ErrorHeader, RecordHeader, RetryHeader


@pytest.mark.parametrize("header", [*RetryHeader, *ErrorHeader, *RecordHeader])
def test_header_is_found_by_its_text(header: StrEnum) -> None:
    """Headers that were read are plain strings, and sets of ours must find them."""
    assert str(header) in frozenset(type(header))


def test_error_headers_share_a_prefix() -> None:
    """A user's header can only be taken for one of ours by its full name, and no retry header is one."""
    assert all(header.startswith("error-") for header in ErrorHeader)
    assert not {*ErrorHeader} & {*RetryHeader, *RecordHeader, REPLAY_COUNT}
