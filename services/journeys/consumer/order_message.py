"""An order message becomes an order, or is refused with the reason that its dead letter will carry.

Three forms are read: a plain string, JSON (an object with the id at a JSON Pointer, or just a string), and Avro in
Confluent's wire format. `auto` tells them apart by the first byte: 0 is Avro's, `{` and `"` are JSON's. An id that
is an integer keeps its digits, however many.

Records of a retry tier carry what is known of the order in headers; on any other topic such headers mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from journeys.errors import RejectedOrderError
from journeys.headers import RetryHeader
from journeys.model import Json, Order, OrderMessage

MAX_ID_BYTES = 1024
"""An order id longer than this is no order id, nor is such an edition one."""

Format: TypeAlias = Literal["auto", "text", "json", "avro"]
AvroDecoder: TypeAlias = Callable[[bytes], Json]

_UNREADABLE = "message-unreadable"


class OrderReader:
    """Reads order messages. `pointer` says where the id stands in JSON and Avro (RFC 6901).

    `decode_avro` takes a value in wire format and returns its record; it raises ValueError for one it cannot read.
    """

    def __init__(
        self,
        *,
        account: str,
        form: Format = "auto",
        pointer: str = "/order_id",
        decode_avro: AvroDecoder,
        is_retry: Callable[[str], bool],
    ) -> None:
        self._account = account
        self._form = form
        self._path = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        self._decode_avro = decode_avro
        self._is_retry = is_retry

    def read(self, message: OrderMessage) -> Order:
        """The order that `message` asks for. Raises RejectedOrderError where it names none."""
        order_id = self._order_id(message.value or b"")
        if not self._is_retry(message.position.topic):
            return Order(
                order_id=order_id,
                account=self._account,
                edition=str(message.position),
                timestamp_ms=message.timestamp_ms,
                attempt=0,
                absences=0,
                message=message,
            )
        return Order(
            order_id=order_id,
            account=self._account,
            edition=_edition(message) or str(message.position),
            timestamp_ms=message.number(RetryHeader.ORDER_TIMESTAMP),
            attempt=message.number(RetryHeader.ATTEMPT) or 0,
            absences=message.number(RetryHeader.ABSENCES) or 0,
            message=message,
        )

    def _order_id(self, value: bytes) -> str:
        form = self._form if self._form != "auto" else _form_of(value)
        if form == "text":
            return _checked(_decoded(value))
        if form == "json":
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


def _form_of(value: bytes) -> Format:
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
    """Of a retry; empty where it names none that may stand on every event."""
    edition = message.header(RetryHeader.EDITION) or b""
    return edition.decode(errors="replace") if len(edition) <= MAX_ID_BYTES else ""
