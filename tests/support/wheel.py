"""Checks an installed wheel: its commands run, the schemas are there, and the encoder in C encodes an event.

Run it with the interpreter of an environment that has the wheel and nothing of this checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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
    _run_commands()
    if extension.language(wanted=True) != "c":
        raise SystemExit("the wheel has no encoder in C")
    report.SCHEMA.read_text("utf-8")  # a file of the package
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


def _run_commands() -> None:
    """Run commands that need more of the package than code. `doctor` finds nothing at its addresses, and says so."""
    if "Usage: journeys" not in _run("--help"):
        raise SystemExit("`journeys --help` has no help")
    with tempfile.TemporaryDirectory() as directory:
        written = _run("schemas", "export", directory).splitlines()
        if sorted(written) != sorted(map(str, Path(directory).iterdir())) or len(written) <= len(schemas.RECORDS):
            raise SystemExit(f"`journeys schemas export` wrote {written}")
    checks = json.loads(_run("doctor", "--json", code=1))["checks"]
    failed = {check["id"] for check in checks if check["status"] == "fail"}
    if failed != {"kafka.brokers", "registry.answer", "api.answer"}:
        raise SystemExit(f"`journeys doctor` found these failures: {failed}")


def _run(*arguments: str, code: int = 0) -> str:
    """The output of a command of the wheel, with addresses where nothing listens."""
    nowhere = {
        "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "JOURNEYS_REGISTRY__URL": "http://127.0.0.1:1",
        "JOURNEYS_API__BASE_URL": "http://127.0.0.1:1",
    }
    done = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("journeys"), *arguments],
        env={**os.environ, **nowhere},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise SystemExit(f"`journeys {' '.join(arguments)}` ended with {done.returncode}, not {code}")
    return done.stdout


if __name__ == "__main__":
    main()
