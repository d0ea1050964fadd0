"""The value of an order message."""

from __future__ import annotations

from typing import Literal

import pytest

from journeys.consumer.order_message import OrderMessageReader
from journeys.model import Json, OrderMessage, Position
from journeys.tools.send.order_value import order_value


def no_avro(_value: bytes) -> Json:
    """No message here is Avro."""
    raise ValueError


@pytest.mark.parametrize("order_format", ["auto", "text", "json"])
@pytest.mark.parametrize("order_id", ["5154899656917", "A-1", '{"a"', '"quoted"', "[1]", "Größe-尺寸", "a b"])
@pytest.mark.parametrize("pointer", ["/order_id", "/a~1b/c~0d"])
def test_workers_read_the_same_id_back(
    order_format: Literal["auto", "text", "json"], order_id: str, pointer: str
) -> None:
    """In every format that a worker may be set to."""
    value = order_value(order_id, order_format, pointer)
    reader = OrderMessageReader(account="a", order_format=order_format, pointer=pointer, decode_avro=no_avro)
    place = Position(topic="orders", partition=0, offset=0)
    message = OrderMessage(position=place, key=None, value=value, headers=(), timestamp_ms=None)
    assert reader.read(message).order_id == order_id


def test_plain_id_is_sent_as_it_is() -> None:
    """Only the formats that need JSON get it."""
    assert order_value("A-1", "auto", "/order_id") == b"A-1"
    assert order_value("A-1", "json", "/order_id") == b'{"order_id":"A-1"}'


def test_avro_has_no_schema_here() -> None:
    """The schema of order messages belongs to the shop."""
    with pytest.raises(ValueError, match="Avro"):
        order_value("A-1", "avro", "/order_id")
