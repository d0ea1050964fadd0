"""The finished offsets beyond a watermark, and the topic's id, as the metadata string of an offset commit.

    character 0        the version: "2"
    characters 1 to 6  the first characters of the topic's id, as Kafka writes it: base64 of a UUID, so 36 random bits
    character 7        the encoding: "b" a bitset, "r" run lengths; missing if there are no finished offsets
    the rest           base64 (RFC 4648, section 5, no padding) of the body

Bit i of a bitset, lowest bit first, stands for offset watermark + i. Run lengths are unsigned LEB128 numbers: the
count of unfinished offsets, of finished ones, of unfinished ones, … up to the last finished one. The shorter encoding
is written.

Version 1 has no id, and is still read: "1", the encoding, the body. An ordinary committer leaves an empty string.

Kafka takes 4,095 characters of metadata; it refuses one more with OFFSET_METADATA_TOO_LARGE.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator

from journeys.errors import HaltError

KAFKA_LIMIT = 4095
"""Characters of commit metadata that a broker accepts (`offset.metadata.max.bytes` is 4,096, exclusive)."""
NO_ID = "A" * 22
"""The id of a topic without one: Kafka writes a UUID of zeros so, and gives it to no topic."""
_ID_CHARS = 6
_STAMPED = 1 + _ID_CHARS
"""Characters before the encoding."""


class UnknownMapError(HaltError):
    """The metadata is not a map this version can read; going on would publish finished orders again."""


def encode(watermark: int, finished: Iterable[int], *, topic_id: str) -> str:
    """The metadata for a commit of `watermark`; `finished` are offsets, in any order, all at or beyond it.

    `topic_id` is the topic's id as Kafka writes it, or `NO_ID`.
    """
    head = "2" + topic_id[:_ID_CHARS]
    offsets = sorted(finished)
    if not offsets:
        return head
    if offsets[0] < watermark:
        raise ValueError(f"offset {offsets[0]} lies before the watermark {watermark}")
    runs = bytes(_run_lengths(watermark, offsets))
    span = offsets[-1] - watermark + 1
    if len(runs) <= (span + 7) // 8:
        return f"{head}r{_text(runs)}"
    bits = bytearray((span + 7) // 8)
    for offset in offsets:
        bits[(offset - watermark) >> 3] |= 1 << ((offset - watermark) & 7)
    return f"{head}b{_text(bytes(bits))}"


def decode(watermark: int, metadata: str | None) -> frozenset[int]:
    """The finished offsets beyond `watermark` that `metadata` names; none for no metadata.

    Raises UnknownMapError for a version or an encoding that this release does not know, or a damaged body.
    """
    if not metadata:
        return frozenset()
    if metadata[0] not in "12":
        raise UnknownMapError(
            f"the offset map of a commit has the version {metadata[0]!r}; this release reads '1' and '2'"
        )
    if metadata[0] == "2" and len(metadata) == _STAMPED:
        return frozenset()
    start = _STAMPED if metadata[0] == "2" else 1
    encoding, text = metadata[start : start + 1], metadata[start + 1 :]
    if encoding not in ("b", "r"):
        raise UnknownMapError(
            f"the offset map of a commit has the encoding {encoding!r}; this release reads 'b' and 'r'"
        )
    try:
        # Without `validate`, Python skips characters that are not base64, and reads a damaged map as another one.
        body = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = frozenset(_from_bits(watermark, body) if encoding == "b" else _from_runs(watermark, body))
    except (binascii.Error, IndexError, ValueError) as error:
        raise UnknownMapError("the offset map of a commit is damaged") from error
    if not found:
        raise UnknownMapError("the offset map of a commit names no offset; no worker writes such a map")
    return found


def is_of_another_topic(metadata: str | None, topic_id: str) -> bool:
    """Whether the commit was made under another id of the topic. False if the metadata or the topic has no id."""
    if not metadata or metadata[0] != "2":
        return False
    stamp = metadata[1:_STAMPED]
    return NO_ID[:_ID_CHARS] not in (stamp, topic_id[:_ID_CHARS]) and not topic_id.startswith(stamp)


def worst_size(span: int, count: int) -> int:
    """The most characters that `encode` needs for `count` offsets within `span` of the watermark.

    Any subset of them may be finished: at worst each is a run of its own, or the bitset is shorter.
    """
    if span <= 0 or count <= 0:
        return _STAMPED
    runs = min(count, (span + 1) // 2)
    # A run costs its gap and its length; the lengths together are at most `count`, so few of them are long.
    run_bytes = runs * (_varint_size(span // runs) + 2) + count // 128 + _varint_size(span)
    return _STAMPED + 1 + _text_size(min((span + 7) // 8, run_bytes))


def _text(body: bytes) -> str:
    return urlsafe_b64encode(body).rstrip(b"=").decode()


def _text_size(size: int) -> int:
    return (size * 4 + 2) // 3


def _varint_size(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)


def _varint(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def _run_lengths(watermark: int, offsets: list[int]) -> Iterator[int]:
    end = watermark
    for start, stop in _runs(offsets):
        yield from _varint(start - end)
        yield from _varint(stop - start)
        end = stop


def _runs(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """The runs of neighbours in ascending offsets, each as (first, last + 1)."""
    start = previous = offsets[0]
    for offset in offsets[1:]:
        if offset != previous + 1:
            yield start, previous + 1
            start = offset
        previous = offset
    yield start, previous + 1


def _from_bits(watermark: int, body: bytes) -> Iterator[int]:
    for index, byte in enumerate(body):
        base = watermark + index * 8
        while byte:
            low = byte & -byte
            yield base + low.bit_length() - 1
            byte ^= low  # noqa: PLW2901 - the set bits are taken off one by one


def _numbers(body: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in body:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("a number is cut off")


def _from_runs(watermark: int, body: bytes) -> Iterator[int]:
    offset, finished = watermark, False
    for length in _numbers(body):
        if finished:
            if length > KAFKA_LIMIT * 8:  # intake stops long before: see worst_size
                raise ValueError("a run is longer than any that was written")
            yield from range(offset, offset + length)
        offset, finished = offset + length, not finished
    if finished:
        raise ValueError("the last run is missing")
