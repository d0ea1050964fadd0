"""Records of each topic on their way into a warehouse: Arrow, Parquet, SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.downstream.warehouse import query, write_parquet
from tests.support import sample_order

from journeys.producer import schemas


@pytest.mark.parametrize("name", schemas.RECORDS)
def test_every_topic_goes_through_parquet_into_sql(name: str, tmp_path: Path) -> None:
    """DuckDB gives back every value of every record, in its type."""
    schema = schemas.load(schemas.RECORDS[name])
    data = sample_order.decoded(name)
    write_parquet(tmp_path / "records.parquet", schema, data)
    assert query("from records", records=tmp_path / "records.parquet") == data
