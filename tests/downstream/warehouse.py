"""Decoded records as Parquet files, typed by their Avro schema: what a sink connector writes into a lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from journeys.model import Json

_LEAVES: Final[Mapping[str, Any]] = {
    "string": pa.string(),
    "long": pa.int64(),
    "boolean": pa.bool_(),
}


def write_parquet(path: Path, schema: Json, data: Iterable[Mapping[str, Any]]) -> None:
    """Write decoded records into one Parquet file. Raises ArrowInvalid where a value does not fit its type."""
    columns = pa.schema([_column(field["name"], field["type"]) for field in schema["fields"]])
    pq.write_table(pa.Table.from_pylist([*data], schema=columns), path)


@contextmanager
def opened(**tables: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory with Parquet files, each a table of the given name."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, path in tables.items():
            connection.execute(f"create view {name} as select * from read_parquet('{path}')")  # noqa: S608 - tests' own
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, each by the names of its columns."""
    found: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist(maps_as_pydicts="strict")
    return found


def query(sql: str, **tables: Path) -> list[dict[str, Any]]:
    """The rows of a DuckDB query over Parquet files, each a table of the given name."""
    with opened(**tables) as connection:
        return rows(connection, sql)


def _column(name: str, avro_type: Json) -> Any:
    """The Arrow field of an Avro field: nullable where the type is a union with null, required otherwise."""
    if isinstance(avro_type, list):
        null, value = avro_type
        assert null == "null"
        return pa.field(name, _arrow(value), nullable=True)
    return pa.field(name, _arrow(avro_type), nullable=False)


def _arrow(avro_type: Json) -> Any:
    """The Arrow type of an Avro type. Raises TypeError for one that it does not know."""
    match avro_type:
        case str():
            return _LEAVES[avro_type]
        case {"logicalType": "timestamp-millis"}:
            return pa.timestamp("ms", tz="UTC")
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            return pa.decimal128(precision, scale)
        case {"type": "record", "fields": fields}:
            return pa.struct([_column(field["name"], field["type"]) for field in fields])
        case {"type": "array", "items": items}:
            return pa.list_(_column("element", items))
        case {"type": "map", "values": values}:
            return pa.map_(pa.string(), _column("value", values))
        case _:
            raise TypeError(f"no column type for {avro_type}")
