"""The reports of librdkafka's producer about itself: its queue, and how fast each broker answers. Sans-I/O.

librdkafka makes a report each `statistics.interval.ms`. Its STATISTICS.md describes the fields; all others are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


class _RoundTrips(msgspec.Struct):
    """The requests that were answered since the last report."""

    cnt: int
    sum: int
    """From each request to its answer, in microseconds."""


class _Connection(msgspec.Struct):
    """A connection to a broker."""

    nodeid: int
    """The broker's id. It is -1 for a connection to a bootstrap server, and for that to the transaction coordinator."""
    nodename: str
    """The broker's address."""
    rtt: _RoundTrips


class _Report(msgspec.Struct):
    msg_cnt: int
    msg_size: int
    brokers: dict[str, _Connection]


_REPORT = msgspec.json.Decoder(_Report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The records that a producer has not delivered."""

    records: int
    bytes: int


class ProducerStatistics:
    """Adds up the reports of one producer after another. Any thread may read the attributes: they are replaced whole.

    It keeps sums, not librdkafka's percentiles. Those leave out round trips of more than half a second: an answer after
    2 s left `p99` at 1.5 ms, and counted as `outofrange` (measured; librdkafka 2.16).
    """

    def __init__(self) -> None:
        self.queued: Queued | None = None
        """As of the last report; None before the first one of a producer."""
        self.requests: Mapping[str, int] = {}
        """Requests answered by each broker, by the broker's id."""
        self.round_trips_s: Mapping[str, float] = {}
        """Seconds from each of these requests to its answer, in total."""

    def report(self, text: str) -> None:
        """Add a report, in JSON. An unreadable one is left out: it must not end the transaction that it comes in."""
        try:
            report = _REPORT.decode(text)
        except msgspec.DecodeError:
            return
        requests, round_trips_s = dict(self.requests), dict(self.round_trips_s)
        connections = report.brokers.values()
        brokers = {each.nodename: str(each.nodeid) for each in connections if each.nodeid >= 0}
        for each in connections:
            if (broker := brokers.get(each.nodename)) is not None:
                requests[broker] = requests.get(broker, 0) + each.rtt.cnt
                round_trips_s[broker] = round_trips_s.get(broker, 0.0) + each.rtt.sum / 1e6
        self.queued = Queued(records=report.msg_cnt, bytes=report.msg_size)
        self.requests, self.round_trips_s = requests, round_trips_s

    def discarded(self) -> None:
        """Forget the queue: its producer is gone."""
        self.queued = None
