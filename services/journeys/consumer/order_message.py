"""Reads an order message: it becomes an order, or is refused with the reason that its dead letter carries.

Three formats are read: a plain string, JSON (an object with the id at a JSON Pointer, or just a string), and Avro in
Confluent's wire format. `auto` goes by the first byte: 0 is Avro, `{` and `"` are JSON. An id that
is an integer keeps its digits, however many.

Records of a retry tier carry the state of the order in headers. On any other topic such headers are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Literal, TypeAlias

import msgspec

from journeys.errors import RejectedOrderError
from journeys.headers import ReplayHeader, RetryHeader
from journeys.model import Json, Order, OrderMessage

MAX_ID_BYTES = 1024
"""A longer order id is refused, and a longer edition is ignored."""

Format: TypeAlias = Literal["auto", "text", "json", "avro"]
AvroDecoder: TypeAlias = Callable[[bytes], Json]

_UNREADABLE = "message-unreadable"


class OrderMessageReader:
    """Reads order messages. `pointer` says where the id is in JSON and Avro (RFC 6901).

    `decode_avro` takes a value in wire format and returns its record. It raises ValueError for an unreadable value.
    """

    def __init__(
        self,
        *,
        account: str,
        order_format: Format = "auto",
        pointer: str = "/order_id",
        decode_avro: AvroDecoder,
        retry_topics: Container[str] = (),
    ) -> None:
        self._account = account
        self._format = order_format
        self._path = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        self._decode_avro = decode_avro
        self._retry_topics = retry_topics

    def read(self, message: OrderMessage) -> Order:
        """The order that `message` asks for. Raises RejectedOrderError if it names none."""
        order_id = self._order_id(message.value or b"")
        if message.position.topic not in self._retry_topics:
            return Order(
                order_id=order_id,
                account=self._account,
                edition=str(message.position),
                timestamp_ms=message.timestamp_ms,
                attempt=0,
                absences=0,
                message=message,
                last_fetched_at_ms=message.time_ms(ReplayHeader.FETCHED_AT),
            )
        return Order(
            order_id=order_id,
            account=self._account,
            edition=_edition(message) or str(message.position),
            timestamp_ms=message.time_ms(RetryHeader.ORDER_TIMESTAMP),
            attempt=message.number(RetryHeader.ATTEMPT) or 0,
            absences=message.number(RetryHeader.ABSENCES) or 0,
            message=message,
            revision=message.number(RetryHeader.REVISION) or 0,
            last_fetched_at_ms=message.time_ms(RetryHeader.FETCHED_AT),
        )

    def _order_id(self, value: bytes) -> str:
        order_format = self._format if self._format != "auto" else _format_of(value)
        if order_format == "text":
            return _checked(_decoded(value))
        if order_format == "json":
            return _checked(self._found(_json(value)))
        try:
            record = self._decode_avro(value)
        except ValueError as error:
            raise _refused(f"the value is not readable as Avro: {error}") from error
        return _checked(self._found(record))

    def _found(self, document: Json) -> Json:
        """The value at the pointer; a bare string or integer is the id itself."""
        if isinstance(document, str | int) and not isinstance(document, bool):
            return document
        for part in self._path:
            if not isinstance(document, dict) or part not in document:
                raise _refused(f"the message has no /{'/'.join(self._path)}")
            document = document[part]
        return document


def _format_of(value: bytes) -> Format:
    if value[:1] == b"\x00":
        return "avro"
    return "json" if value.lstrip()[:1] in (b"{", b'"', b"[") else "text"


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise _refused("the value is not UTF-8") from error


def _json(value: bytes) -> Json:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("the value is not JSON") from error


def _checked(found: Json) -> str:
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str):
        raise _refused("the order id is neither a string nor an integer")
    order_id = found.strip()
    if not order_id:
        raise RejectedOrderError("the order id is empty", reason="message-empty", stage="message")
    if len(order_id.encode()) > MAX_ID_BYTES:
        raise RejectedOrderError(
            f"the order id is longer than {MAX_ID_BYTES} bytes", reason="order-id-too-long", stage="message"
        )
    if not order_id.isprintable():
        raise _refused("the order id holds control characters")
    return order_id


def _refused(message: str) -> RejectedOrderError:
    return RejectedOrderError(message, reason=_UNREADABLE, stage="message")


def _edition(message: OrderMessage) -> str:
    """The edition of a retry; empty if it has none, or one that is too long."""
    edition = message.header(RetryHeader.EDITION) or b""
    return edition.decode(errors="replace") if len(edition) <= MAX_ID_BYTES else ""
