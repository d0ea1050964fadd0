"""Checks an installed wheel: the command runs, the schemas are there, and the encoder in C encodes an event.

Run it with the interpreter of an environment that has the wheel and nothing of this checkout.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import journeys
from journeys.avro import wire
from journeys.doctor import report
from journeys.model import Journey
from journeys.ops import runbook
from journeys.producer import schemas
from journeys.producer.encoding import extension
from journeys.producer.encoding.journey import JourneyEncoder


def main() -> None:
    """Raise an error, or exit with one, if the wheel is not whole."""
    if "site-packages" not in journeys.__file__:
        raise SystemExit(f"{journeys.__file__} is a checkout, not an installed wheel")
    command = Path(sys.executable).with_name("journeys")
    subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    if extension.language(wanted=True) != "c":
        raise SystemExit("the wheel has no encoder in C")
    report.schema()  # a file of the package
    runbook.page()
    ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
    journey = Journey(
        order_id="1001",
        account="default",
        edition="orders.completed/0/0",
        order_timestamp_ms=None,
        events=({"event_type": "ads", "event_at": "2023-03-29 08:26:42", "ad": {"ad_id": "1"}},),
        total=1,
        pages=1,
        repeated=0,
        shared_ids=0,
        consistent=True,
        shop_currency=None,
        extra={},
        fetched_at_ms=0,
    )
    records = JourneyEncoder(ids).encode(journey)
    if records != JourneyEncoder(ids, native=False).encode(journey):
        raise SystemExit("C and fastavro give different bytes")
    decoder = wire.Decoder({ids["journey.ads-value"]: schemas.text("AdsEvent")}.__getitem__, trusted=True)
    datum = decoder.decode(records[0].value or b"")
    print(f"{Path(journeys.__file__).parent}: encoded in C: {datum['event_type']} at {datum['event_at']}")  # noqa: T201


if __name__ == "__main__":
    main()
