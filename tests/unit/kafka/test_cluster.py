"""The release of a broker, from the APIs that it offers."""

from __future__ import annotations

import pytest

from journeys.kafka.cluster import RELEASES, Cluster


def release(apis: dict[int, int]) -> tuple[int, int] | None:
    """The release of a broker with these APIs."""
    return Cluster(brokers=1, apis=apis, topics={}).release


@pytest.mark.parametrize(("found", "key", "version"), RELEASES)
def test_newest_known_api_tells_the_release(found: tuple[int, int], key: int, version: int) -> None:
    """A broker of a later release also offers the APIs of all earlier ones."""
    earlier: dict[int, int] = {}
    for other, other_key, other_version in RELEASES:
        if other <= found:
            earlier[other_key] = max(other_version, earlier.get(other_key, 0))
    assert earlier[key] == version
    assert release(earlier) == found


def test_unknown_broker_has_no_release() -> None:
    """Older than the table, or silent about its APIs."""
    assert release({}) is None
    assert release({0: 8, 1: 11, 11: 6}) is None
