"""One database in memory for all tests of the views: to make the views takes longer than to use them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from attribution.database import Settings, change_settings, open_database


@pytest.fixture(scope="session")
def shared_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory."""
    with open_database() as connection:
        yield connection


@pytest.fixture
def database(shared_database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """An empty database in memory, with the settings that it has at first."""
    for table in ("events", "summaries", "offsets", "spend"):
        shared_database.execute(f"delete from {table}")  # noqa: S608 - the names are ours
    change_settings(shared_database, Settings())
    return shared_database
