"""The sums that come from the reports of librdkafka's producer."""

from __future__ import annotations

import json

import pytest

from journeys.producer.statistics import ProducerStatistics, Queued


def report(*connections: tuple[int, str, int, int], records: int = 0, in_bytes: int = 0) -> str:
    """A report in the form of librdkafka. A connection is: the broker's id, its address, its answers, microseconds."""
    brokers = {
        f"connection-{number}": {
            "nodeid": broker,
            "nodename": address,
            "rtt": {"min": 1, "cnt": count, "sum": sum_us, "p99": 9},
        }
        for number, (broker, address, count, sum_us) in enumerate(connections)
    }
    return json.dumps({"name": "rdkafka#producer-1", "msg_cnt": records, "msg_size": in_bytes, "brokers": brokers})


def test_requests_and_round_trips_add_up_by_broker() -> None:
    """The connection to the coordinator has only the address of its broker. An unknown address counts nowhere."""
    statistics = ProducerStatistics()
    coordinator, bootstrap = (-1, "one:9092", 1, 500_000), (-1, "any:9092", 2, 900)
    statistics.report(report(bootstrap, coordinator, (1, "one:9092", 3, 4_500_000), (2, "two:9092", 0, 0)))
    statistics.report(report((1, "one:9092", 1, 1_000_000), (2, "two:9092", 2, 2_000)))
    assert statistics.requests == {"1": 5, "2": 2}
    assert statistics.round_trips_s == {"1": 6.0, "2": pytest.approx(0.002)}


def test_queue_is_that_of_the_last_report_until_its_producer_is_gone() -> None:
    """The sums stay: the next producer goes on with them."""
    statistics = ProducerStatistics()
    statistics.report(report((1, "one:9092", 1, 1_000_000), records=9, in_bytes=900))
    statistics.report(report(records=3, in_bytes=300))
    queues = [statistics.queued]
    statistics.discarded()
    queues.append(statistics.queued)
    assert queues == [Queued(records=3, bytes=300), None]
    assert statistics.requests == {"1": 1}


@pytest.mark.parametrize("text", ["", "{", '{"msg_cnt": 1}', '{"msg_cnt": 1, "msg_size": 1, "brokers": {"a": {}}}'])
def test_unreadable_report_is_left_out(text: str) -> None:
    """An exception would end the call into librdkafka, which may be the commit of a transaction."""
    statistics = ProducerStatistics()
    statistics.report(report((1, "one:9092", 1, 1_000_000), records=9, in_bytes=900))
    statistics.report(text)
    assert (statistics.queued, statistics.requests) == (Queued(records=9, bytes=900), {"1": 1})
