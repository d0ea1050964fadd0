"""The SQL files of the attribution example give the same results in PostgreSQL as in DuckDB."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.downstream.attribution.journeys import encoded

from attribution.database import open_database, replace_spend
from attribution.load import store

SQL = Path(__file__).parents[2] / "examples" / "attribution" / "attribution" / "sql"
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where Debian installs PostgreSQL."""
USER = "postgres" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root; Debian's package makes this user."""
TABLES = ("events", "summaries", "spend")
VIEWS = ("credits", "by_campaign", "by_channel", "paths", "days_to_order", "coverage")

pytestmark = [
    pytest.mark.extra,
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: it is not below /usr/lib/postgresql"),
]


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL of its own, reached by a socket in its directory."""

    directory: Path

    def run(self, program: str, *arguments: str, text: str | None = None) -> str:
        """The output of one of its programs, which gets the text as its input."""
        assert PROGRAMS is not None
        done = subprocess.run(  # noqa: S603 - the tests' own
            [str(PROGRAMS / program), *arguments],
            user=USER,
            cwd=self.directory,
            env={"LC_ALL": "C.UTF-8", "PGHOST": str(self.directory), "PGUSER": "test", "PGDATABASE": "postgres"},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def query(self, sql: str) -> list[list[str]]:
        """The rows of a query, as text."""
        return [*csv.reader(io.StringIO(self.run("psql", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1", text=sql)))]


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL without data."""
    with tempfile.TemporaryDirectory(prefix="journeys-pg-") as directory:
        if USER is not None:
            os.chown(directory, *(int(part) for part in (_id("-u"), _id("-g"))))
        server = Postgres(Path(directory))
        server.run("initdb", "--pgdata=data", "--auth=trust", "--username=test", "--no-sync")
        options = f"-k {directory} -c listen_addresses= -c fsync=off"
        server.run("pg_ctl", "--pgdata=data", "--log=log", "--wait", f"--options={options}", "start")
        try:
            yield server
        finally:
            server.run("pg_ctl", "--pgdata=data", "--mode=immediate", "--wait", "stop")


def _id(flag: str) -> str:
    return subprocess.run(["/usr/bin/id", flag, str(USER)], capture_output=True, text=True, check=True).stdout  # noqa: S603


def comparable(rows: list[Any]) -> list[list[Any]]:
    """Rows in an order of their own, with numbers to nine digits: DuckDB divides binary floats, PostgreSQL decimals."""
    return sorted([[_comparable(value) for value in row] for row in rows], key=str)


def _comparable(value: Any) -> Any:
    try:
        return f"{float(value):.9g}"
    except (TypeError, ValueError):
        return value or ""


def copy(table: str, database: duckdb.DuckDBPyConnection, postgres: Postgres, directory: Path) -> None:
    """Copy a table of DuckDB to PostgreSQL, as CSV."""
    path = directory / f"{table}.csv"
    database.execute(f"copy {table} to '{path}' (header false)")
    postgres.run("psql", "--set=ON_ERROR_STOP=1", f"--command=\\copy {table} from pstdin csv", text=path.read_text())


def test_postgresql_gives_the_results_of_duckdb(postgres: Postgres, tmp_path: Path) -> None:
    """All files run as they are, and all views agree on orders of the stand-in API, odd ones among them."""
    orders = [f"n{number % 30}-{number}" for number in range(60)] + ["x-odd-n6", "x-values-n5", "x-zeros-n5"]
    spend = tmp_path / "spend.csv"
    spend.write_text("channel,campaign,currency,spend\nads,Spring launch,USD,2500.50\nemail,,USD,300\n")
    for path in sorted(SQL.glob("*.sql")):
        postgres.query(path.read_text())
    with open_database() as database:
        store(database, *encoded(orders), {})
        replace_spend(database, spend)
        for table in TABLES:
            copy(table, database, postgres, tmp_path)
        for view in VIEWS:
            expected = database.execute(f"from {view}").fetchall()
            assert expected
            assert comparable(postgres.query(f"select * from {view}")) == comparable(expected), view  # noqa: S608
        [[exact]] = postgres.query(
            "select count(*) from conversions join (select model, account, order_id, sum(revenue) as revenue"
            " from credits group by model, account, order_id) as sums using (account, order_id)"
            " where sums.revenue = conversions.revenue"
        )
        [[every]] = postgres.query("select 6 * count(*) from conversions where revenue is not null")
        assert exact == every
