"""The commands: load, table and report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from confluent_kafka import KafkaException

from attribution.database import Settings, change_settings, open_database, replace_spend
from attribution.report import channel_picture, page
from attribution.results import channel_sections, coverage, full_sections
from attribution.table import channel_table

_EXAMPLES = """examples:
  python -m attribution load --bootstrap-servers kafka:9092 --registry http://registry:8081
  python -m attribution table
  python -m attribution report --spend spend.csv --html report.html
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, or 1 if it cannot be done. Wrong usage exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        with open_database(options.database) as connection:
            options.run(connection, options)
    except (KafkaException, duckdb.Error, OSError, LookupError, ValueError) as error:
        sys.stderr.write(f"attribution {options.command}: {error}\n")
        return 1
    return 0


def _load(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> None:
    from attribution.load import Source, load  # noqa: PLC0415 - the registry's client takes a second to import

    source = Source(
        bootstrap_servers=options.bootstrap_servers,
        registry_url=options.registry,
        prefix=options.prefix,
        group=options.group,
        kafka=dict(options.kafka_option),
        registry=dict(options.registry_option),
    )
    count = load(connection, source, progress=_show)
    print(f"{count:,} records loaded into {options.database}.")


def _table(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> None:
    _prepare(connection, options)
    print(channel_table(channel_sections(connection), coverage(connection)), end="")


def _report(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> None:
    settings = _prepare(connection, options)
    sections = full_sections(connection)
    html = page(sections, coverage(connection), settings, at=datetime.now(UTC))
    options.html.write_text(html, encoding="utf-8")
    if options.svg and sections:
        options.svg.write_text(channel_picture(sections[0]), encoding="utf-8")
    print(f"The report is in {options.html.resolve()}.")


def _prepare(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> Settings:
    """Put the settings and the spend into the database. Returns the settings."""
    settings = Settings(
        window_days=options.window_days,
        gap_minutes=options.gap_minutes,
        half_life_days=options.half_life_days,
        credit_direct=options.credit_direct,
    )
    change_settings(connection, settings)
    replace_spend(connection, options.spend)
    return settings


def _show(count: int) -> None:
    """Progress, on one line of a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{count:,} records \r")


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("attribution", description=__doc__, epilog=_EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True)

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--database", type=Path, default=Path("attribution.duckdb"), help="the DuckDB file")
    rules = argparse.ArgumentParser(add_help=False)
    for name, default, text in (
        ("--window-days", defaults.window_days, "touches further before the order get no credit (30)"),
        ("--gap-minutes", defaults.gap_minutes, "a longer pause starts a new touch (30)"),
        ("--half-life-days", defaults.half_life_days, "time decay halves the weight after each of these (7)"),
    ):
        rules.add_argument(name, type=_number, default=default, metavar="N", help=text)
    rules.add_argument("--credit-direct", action="store_true", help="treat direct like any other channel")
    rules.add_argument("--spend", type=Path, metavar="CSV", help="columns: channel, campaign, currency, spend")

    loading = commands.add_parser("load", parents=[common], help="load new records from Kafka, then stop")
    env = os.environ.get
    loading.add_argument("--bootstrap-servers", default=env("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", "localhost:9092"))
    loading.add_argument("--registry", default=env("JOURNEYS_REGISTRY__URL", "http://localhost:8081"), metavar="URL")
    loading.add_argument("--prefix", default=env("JOURNEYS_PUBLISH__TOPIC_PREFIX", "journey."), help="of the topics")
    loading.add_argument("--group", default="attribution", help="the name under which Kafka shows the lag")
    for name in ("--kafka-option", "--registry-option"):
        loading.add_argument(name, type=_pair, action="append", default=[], metavar="KEY=VALUE", help="such as a login")
    loading.set_defaults(run=_load)

    table = commands.add_parser("table", parents=[common, rules], help="print the revenue by channel")
    table.set_defaults(run=_table)
    report = commands.add_parser("report", parents=[common, rules], help="write the report, one HTML page")
    report.add_argument("--html", type=Path, default=Path("report.html"), help="where to (report.html)")
    report.add_argument("--svg", type=Path, help="also write the first picture, as an SVG file")
    report.set_defaults(run=_report)
    return parser


def _number(text: str) -> int:
    """A whole number from 1 to 366. Raises ValueError for anything else."""
    number = int(text)
    if number not in range(1, 367):
        raise ValueError
    return number


def _pair(text: str) -> tuple[str, str]:
    """Key and value. Raises ValueError if there is no equals sign."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError
    return key, value
