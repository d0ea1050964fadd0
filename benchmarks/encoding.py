"""Measures the CPU time to turn an event from decoded JSON into a record, in microseconds, compared with fastavro.

    python -m benchmarks.encoding [--rounds 15] [--json]

The events come from the stand-in, of every channel. Some have fields that the API document does not know, some have
values that do not fit. Each round measures each way once. A ratio is of one round. The clock is the CPU time of the
measuring thread, so other work on the machine matters little.

- `fastavro`: `schemaless_writer` into a BytesIO, over data that fit.
- `c`: the encoder in C, over the same data.
- `whole`: from event to record with headers, in journeys of ten events, including a share of the summary.
- `fallback`: the same without C: coercion, then fastavro.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from journeys.avro.schema import Schema
from journeys.model import Journey
from journeys.producer import schemas
from journeys.producer.channels import Channel, Channels
from journeys.producer.encoding.body import in_c
from journeys.producer.encoding.coerce import Coercion, api_fields
from journeys.producer.encoding.journey import JourneyEncoder
from journeys_sandbox.api.generator import journey_of

Event = dict[str, Any]
TARGET = 15.0
"""The project promises that fastavro takes at least this many times as long as our encoder in C, in each channel."""
EVENTS = 20
"""Events of each channel. They fit into the processor's cache, like those of a page that was just decoded."""
PASSES = 10
"""Passes over these events in a round."""
COLUMNS = ("fastavro", "c", "ratio", "ratio_min", "ratio_max", "whole", "fallback")


def events_by_channel() -> dict[Channel, list[Event]]:
    """Events of the stand-in, `EVENTS` of each channel."""
    channels, found = Channels(), defaultdict[Channel, list[Event]](list)
    for number in range(2000):
        for event in journey_of(f"n10-bench-{number}"):
            found[channels.of(event.get("event_type"))].append(event)
    return {channel: found[channel][:EVENTS] for channel in Channel}


def data_of(channel: Channel, events: Sequence[Event]) -> list[Event]:
    """The data that the encoder gets for these events."""
    elsewhere = api_fields(schemas.load(schemas.RECORDS[Channel.OTHER]))
    coercion = Coercion(schemas.load(schemas.RECORDS[channel]), elsewhere=elsewhere)
    own = {
        "account": "default",
        "edition": "orders.completed/3/42",
        "revision": 0,
        "order_id": "n10-bench",
        "shop_currency": "EUR",
    }
    placed = own | {"position": 3, "journey_size": 10, "fetched_at": 1_700_000_000_000}
    return [coercion(event) | placed for event in events]


def journeys_of(events: Sequence[Event]) -> list[Journey]:
    """These events as journeys of ten events each."""
    return [
        Journey(
            order_id=f"n10-bench-{start}",
            account="default",
            edition=f"orders.completed/3/{start}",
            order_timestamp_ms=0,
            events=tuple(events[start : start + 10]),
            total=10,
            pages=1,
            repeated=0,
            shared_ids=0,
            consistent=True,
            shop_currency="EUR",
            extra={},
            fetched_at_ms=1_700_000_000_000,
        )
        for start in range(0, len(events), 10)
    ]


def microseconds(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    """CPU microseconds of `PASSES` passes over the arguments."""
    start = time.thread_time()
    for _ in range(PASSES):
        for argument in arguments:
            call(argument)
    return (time.thread_time() - start) * 1e6


def run(rounds: int) -> Iterator[Mapping[str, Any]]:
    """Each channel's row, as soon as it is measured."""
    ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
    encoder, fallback = JourneyEncoder(ids), JourneyEncoder(ids, native=False)
    for channel, events in events_by_channel().items():
        schema = schemas.load(schemas.RECORDS[channel])
        general, fast = Schema(schema), in_c(schema)
        data, journeys = data_of(channel, events), journeys_of(events)
        for datum in data:
            assert general.encode(datum) == fast(datum)  # noqa: S101 - a different result would make the comparison useless
        ways: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
            "fastavro": (general.encode, data),
            "c": (fast, data),
            "whole": (encoder.encode, journeys),
            "fallback": (fallback.encode, journeys),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):
            for name, (call, arguments) in ways.items():
                each = microseconds(call, arguments) / (PASSES * len(events))
                if turn:  # the first warms up
                    took[name].append(each)
        ratios = [slow / fast for slow, fast in zip(took["fastavro"], took["c"], strict=True)]
        yield {
            "channel": channel.value,
            **{name: median(times) for name, times in took.items()},
            "ratio": median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }


def main() -> None:
    """Print a line for each channel, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    options = parser.parse_args()
    rows = []
    if not options.json:
        heads = ("fastavro", "c", "ratio", "from", "to", "whole", "fallback")
        print(f"{'µs per event':16}" + "".join(f"{head:>9}" for head in heads))
    for row in run(options.rounds):
        rows.append(row)
        if not options.json:
            print(f"{row['channel']:16}" + "".join(f"{row[name]:9.1f}" for name in COLUMNS), flush=True)
    least = min(row["ratio"] for row in rows)
    if options.json:
        print(json.dumps({"rows": rows, "least_ratio": least, "target": TARGET}))
    else:
        print(f"least ratio {least:.1f}; the target, {TARGET:g}, is {'reached' if least >= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
