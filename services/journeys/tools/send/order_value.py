"""The value of an order message, in a format that the workers read. No I/O."""

from __future__ import annotations

import msgspec

from journeys.consumer.order_message import Format
from journeys.model import Json


def order_value(order_id: str, order_format: Format, pointer: str) -> bytes:
    """The order id as text, or as JSON with the id at `pointer` (RFC 6901). Raises ValueError for the format `avro`.

    In the format `auto`, text that begins as JSON does would be read as JSON, so such an id becomes a JSON string.
    """
    if order_format == "avro":
        raise ValueError("the workers read Avro only (JOURNEYS_ORDERS__FORMAT); this command writes text and JSON")
    if order_format == "json":
        document: Json = order_id
        for part in reversed(pointer.split("/")[1:]):
            document = {part.replace("~1", "/").replace("~0", "~"): document}
        return msgspec.json.encode(document)
    if order_format == "auto" and order_id[:1] in ("{", '"', "["):
        return msgspec.json.encode(order_id)
    return order_id.encode()
