"""The DuckDB file: its tables, the views and models of `sql/`, the settings and the spend."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import duckdb

CHANNELS: Final = ("ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other")
"""A topic's name is the prefix and a channel."""
MODELS: Final = ("first", "last", "last non-direct", "linear", "position-based", "time decay")

_SPEND_COLUMNS: Final = {"channel", "campaign", "currency", "spend"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The row of the table `settings`, whose comments explain it."""

    window_days: int = 30
    gap_minutes: int = 30
    half_life_days: int = 7
    credit_direct: bool = False


def open_database(path: Path | str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Open or create a database, and bring its views up to date. Raises duckdb.Error if it cannot be opened."""
    connection = duckdb.connect(str(path))
    scripts = [each for each in files("attribution").joinpath("sql").iterdir() if each.name.endswith(".sql")]
    for script in sorted(scripts, key=lambda each: each.name):
        connection.execute(script.read_text(encoding="utf-8"))
    return connection


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit everything that the block writes, or nothing."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each with a value for every column. Column by column this is 100 times faster than row by row."""
    if rows:
        columns = [list(values) for values in zip(*rows, strict=True)]
        values = ", ".join(f"unnest(${number})" for number in range(1, len(columns) + 1))
        connection.execute(f"insert into {table} select {values}", columns)


def change_settings(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Use these settings in all views from now on."""
    with transaction(connection):
        connection.execute("delete from settings")
        connection.execute("insert into settings values (?, ?, ?, ?)", list(astuple(settings)))


def replace_spend(connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    """Take spend from a CSV file with the columns channel, campaign, currency, spend and, if you like, account.

    Without a file there is no spend. Raises OSError if the file cannot be read, and ValueError naming the line if a
    value is wrong.
    """
    rows = [] if path is None else list(_spend_rows(path))
    with transaction(connection):
        connection.execute("delete from spend")
        insert(connection, "spend", rows)


def _spend_rows(path: Path) -> Iterator[tuple[str, str, str, str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := _SPEND_COLUMNS - set(reader.fieldnames or ()):
            raise ValueError(f"{path}: no column named {', '.join(sorted(missing))}")
        for row in reader:
            try:
                yield _spend_row({name: (text or "").strip() for name, text in row.items()})
            except ValueError as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


def _spend_row(row: dict[str, str]) -> tuple[str, str, str, str, str]:
    if row["channel"] not in CHANNELS:
        raise ValueError(f"the channel {row['channel']!r} is not one of {', '.join(CHANNELS)}")
    if not row["currency"]:
        raise ValueError("the currency is missing")
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", row["spend"], re.ASCII):
        raise ValueError(f"the spend {row['spend']!r} is not an amount such as 1250.00")
    return row.get("account") or "default", row["channel"], row["campaign"], row["currency"].upper(), row["spend"]
