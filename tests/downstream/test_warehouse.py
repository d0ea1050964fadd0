"""Records of each topic on their way into a warehouse: Arrow, Parquet, SQL."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.downstream.warehouse import query, write_parquet
from tests.support import sample_order
from tests.support.schema_pages import newest_edition_sql

from journeys.producer import schemas


@pytest.mark.parametrize("name", schemas.RECORDS)
def test_every_topic_goes_through_parquet_into_sql(name: str, tmp_path: Path) -> None:
    """DuckDB gives back every value of every record, in its type."""
    schema = schemas.load(schemas.RECORDS[name])
    data = sample_order.decoded(name)
    write_parquet(tmp_path / "records.parquet", schema, data)
    assert query("from records", records=tmp_path / "records.parquet") == data


def test_the_documents_query_finds_the_newest_edition(tmp_path: Path) -> None:
    """It is the latest `fetched_at` of each account and order; of equal ones, the greatest edition."""
    editions = [
        ("default", "1", "orders/0/10", 2_000),
        ("default", "1", "orders/0/11", 1_000),
        ("default", "2", "orders/0/7", 1_000),
        ("default", "2", "orders/0/7#1", 1_001),
        ("default", "3", "orders/1/4", 1_000),
        ("default", "3", "orders/1/5", 1_000),
        ("second", "3", "orders/1/3", 500),
    ]
    data = [
        sample_order.decoded(
            schemas.SUMMARY,
            msgspec.structs.replace(
                sample_order.journey(), account=account, order_id=order, edition=edition, fetched_at_ms=at
            ),
        )[0]
        for account, order, edition, at in editions
    ]
    write_parquet(tmp_path / "summaries.parquet", schemas.load(schemas.RECORDS[schemas.SUMMARY]), data)
    found = query(newest_edition_sql(), summary=tmp_path / "summaries.parquet")
    assert sorted((row["account"], row["order_id"], row["edition"]) for row in found) == [
        ("default", "1", "orders/0/10"),
        ("default", "2", "orders/0/7#1"),
        ("default", "3", "orders/1/5"),
        ("second", "3", "orders/1/3"),
    ]
