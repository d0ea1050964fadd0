"""The partition of a key."""

from __future__ import annotations

import pytest

from journeys.kafka.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_hash_is_that_of_javas_client(key: str, signed: int) -> None:
    """The numbers are those of Apache Kafka's own test (UtilsTest.testMurmur2)."""
    assert murmur2(key.encode()) == signed % 2**32


def test_partition_is_never_negative() -> None:
    """The sign bit of the hash is cut, as in Java."""
    assert {partition_of(str(number).encode(), 6) for number in range(200)} == set(range(6))
    assert partition_of(b"21", 1000) == (-973932308 & 0x7FFFFFFF) % 1000
