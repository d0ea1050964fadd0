"""Order ids of messages, outside the worker."""

from __future__ import annotations

from journeys.avro.wire import frame
from journeys.kafka.orders import RegistryOrderReader
from journeys.model import OrderMessage, Position
from journeys.settings import Settings, load


def settings(**more: str) -> Settings:
    """Settings with a registry that nothing listens at."""
    return load(None, {"JOURNEYS_REGISTRY__URL": "http://127.0.0.1:1", **more})


def message(value: bytes, *, key: bytes | None = b"\xffkey") -> OrderMessage:
    """A message of an order topic."""
    place = Position(topic="orders", partition=0, offset=1)
    return OrderMessage(position=place, key=key, value=value, headers=(), timestamp_ms=1)


def test_order_id_is_found_as_the_worker_finds_it() -> None:
    """The settings say where it is."""
    reader = RegistryOrderReader(settings(JOURNEYS_ORDERS__ID_POINTER="/order/id"))
    assert reader.order_id(message(b'{"order": {"id": "A-1"}}')) == "A-1"


def test_message_without_an_order_is_named_by_its_key() -> None:
    """Bytes of the key that are not UTF-8 are replaced."""
    reader = RegistryOrderReader(settings())
    assert reader.order_id(message(b"")) == "\ufffdkey"
    assert reader.order_id(message(b"", key=None)) is None


def test_silent_registry_is_asked_once() -> None:
    """Messages in Avro are then named by their keys, and `error` says why."""
    reader = RegistryOrderReader(settings(JOURNEYS_REGISTRY__CONFIG='{"max.retries": 0}'))
    assert reader.error is None
    assert {reader.order_id(message(frame(schema_id, b"x"))) for schema_id in range(50)} == {"\ufffdkey"}
    assert "http://127.0.0.1:1" in str(reader.error)
