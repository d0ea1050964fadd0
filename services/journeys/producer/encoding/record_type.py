"""The common parts of all records of a topic, and of all records of a journey."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from journeys.avro import wire
from journeys.headers import RecordHeader
from journeys.model import Journey, Record
from journeys.producer import schemas
from journeys.producer.encoding.body import Encode
from journeys.producer.encoding.coerce import Coercion, Datum
from journeys.producer.encoding.fields import steps
from journeys.producer.encoding.text import utf8

Header: TypeAlias = tuple[str, str | bytes | None]
Headers: TypeAlias = list[Header]


class RecordType:
    """The records of one topic: its name, their schema and its id. `schema_header` is the last of their headers.

    `encoder` makes the encoder of a self-contained schema.
    """

    def __init__(
        self, name: str, prefix: str, schema_ids: Mapping[str, int], encoder: Callable[[Mapping[str, Any]], Encode]
    ) -> None:
        self.name = str(name)
        self.topic = schemas.topic(prefix, name)
        record = schemas.RECORDS[name]
        self.schema = schemas.load(record)
        self.header = wire.header(schema_ids[schemas.subject(prefix, name)])
        self.schema_header: Header = (RecordHeader.SCHEMA, record.encode())
        self._encode = encoder(self.schema)

    def value(self, datum: Datum) -> bytes:
        """A datum in the wire format."""
        return self.header + self._encode(datum)

    def record(self, key: bytes, headers: Headers, value: bytes) -> Record:
        """The record of a value; `schema_header` is appended to `headers`."""
        headers.append(self.schema_header)
        return Record(topic=self.topic, key=key, value=value, headers=headers)


class EventRecordType(RecordType):
    """The records of one channel. `elsewhere` are the fields that other channels' records have."""

    def __init__(
        self,
        name: str,
        prefix: str,
        schema_ids: Mapping[str, int],
        encoder: Callable[[Mapping[str, Any]], Encode],
        *,
        elsewhere: Iterable[str],
        zone: tzinfo,
    ) -> None:
        super().__init__(name, prefix, schema_ids, encoder)
        self.coercion = Coercion(self.schema, elsewhere=elsewhere, zone=zone)
        self.steps = tuple(steps(self.schema, elsewhere))
        self.zone = zone


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """The common parts of all records of one journey, built once: the key, the identifying headers, and fields."""

    key: bytes
    identity: Headers
    fields: Datum

    @classmethod
    def of(cls, journey: Journey) -> Common:
        """Build it from a journey."""
        key = journey.order_id.encode()
        edition = journey.edition if journey.revision == 0 else f"{journey.edition}#{journey.revision}"
        return cls(
            key=key,
            identity=[
                (RecordHeader.ORDER_ID, key),
                (RecordHeader.ACCOUNT, journey.account.encode()),
                (RecordHeader.EDITION, edition.encode()),
                (RecordHeader.REVISION, b"%d" % journey.revision),
            ],
            fields={
                "account": journey.account,
                "edition": edition,
                "revision": journey.revision,
                "order_id": journey.order_id,
                "shop_currency": utf8(journey.shop_currency),
                "journey_size": len(journey.events),
                "fetched_at": journey.fetched_at_ms,
            },
        )

    def place(self, datum: Datum, position: int) -> None:
        """Add the shared fields to a datum, and its position in the journey."""
        datum |= self.fields
        datum["position"] = position

    def headers(self, datum: Mapping[str, Any], position: int) -> Headers:
        """The headers of the item at a position; an id or a type that is null is left out."""
        headers: Headers = []
        if (event_id := datum.get("event_id")) is not None:
            headers.append((RecordHeader.EVENT_ID, event_id.encode()))
        if (event_type := datum.get("event_type")) is not None:
            headers.append((RecordHeader.EVENT_TYPE, event_type.encode()))
        headers += self.identity
        headers.append(_position_header(position))
        return headers


@lru_cache(maxsize=1024)
def _position_header(position: int) -> Header:
    return RecordHeader.POSITION, b"%d" % position
