"""What all records of one topic have in common, and what all of one journey have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from journeys.avro import wire
from journeys.model import Journey, Record
from journeys.producer import schemas
from journeys.producer.encoding import pieces
from journeys.producer.encoding.body import Body
from journeys.producer.encoding.coerce import Datum, Plan
from journeys.producer.encoding.fields import writer
from journeys.producer.encoding.text import utf8

Header: TypeAlias = tuple[str, str | bytes | None]
Headers: TypeAlias = list[Header]


class Kind:
    """The records of one topic: its name, their schema and its id. `schema_header` is the last of their headers."""

    def __init__(self, name: str, prefix: str, schema_ids: Mapping[str, int], *, native: bool) -> None:
        self.name = str(name)
        self.topic = schemas.topic(prefix, name)
        record = schemas.RECORDS[name]
        self.schema = schemas.load(record)
        self.header = wire.header(schema_ids[schemas.subject(prefix, name)])
        self.schema_header: Header = ("schema", record.encode())
        self._body = Body(self.schema, native=native)

    def value(self, datum: Datum) -> bytes:
        """A datum in the wire format."""
        return self.header + self._body(datum)

    def record(self, key: bytes, headers: Headers, value: bytes) -> Record:
        """The record of a value; its headers get one more."""
        headers.append(self.schema_header)
        return Record(topic=self.topic, key=key, value=value, headers=headers)


class EventKind(Kind):
    """The records of one channel. `elsewhere` are the fields that other channels' records know."""

    def __init__(
        self,
        name: str,
        prefix: str,
        schema_ids: Mapping[str, int],
        *,
        native: bool,
        elsewhere: Iterable[str],
        zone: tzinfo,
    ) -> None:
        super().__init__(name, prefix, schema_ids, native=native)
        self.plan = Plan(self.schema, elsewhere=elsewhere, zone=zone)
        self.writer = writer(
            self.schema, plan=self.plan, header=self.header, elsewhere=elsewhere, zone=zone, native=native
        )


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What all records of one journey share, built once: the key, the identifying headers, and fields."""

    key: bytes
    identity: Headers
    fields: Datum
    pieces: tuple[str, ...]
    """Of the fields that a writer is given."""

    @classmethod
    def of(cls, journey: Journey) -> Common:
        """Of this journey."""
        key = journey.order_id.encode()
        currency = utf8(journey.shop_currency)
        size, at = len(journey.events), journey.fetched_at_ms
        return cls(
            key=key,
            identity=[
                ("order_id", key),
                ("account", journey.account.encode()),
                ("edition", journey.edition.encode()),
            ],
            fields={
                "account": journey.account,
                "edition": journey.edition,
                "order_id": journey.order_id,
                "shop_currency": currency,
                "journey_size": size,
                "fetched_at": at,
            },
            pieces=(
                pieces.string(journey.account),
                pieces.string(journey.edition),
                pieces.string(journey.order_id),
                pieces.NULL if currency is None else pieces.VALUE + pieces.string(currency),
                pieces.long(size),
                pieces.long(at),
            ),
        )

    def place(self, datum: Datum, position: int) -> None:
        """Put the fields into a datum that say whose it is, and where in the journey."""
        datum |= self.fields
        datum["position"] = position

    def headers(self, datum: Mapping[str, Any], position: int) -> Headers:
        """The headers of what stands at a position; an id or a type that is null is left out."""
        headers: Headers = []
        if (event_id := datum.get("event_id")) is not None:
            headers.append(("event_id", event_id.encode()))
        if (event_type := datum.get("event_type")) is not None:
            headers.append(("event_type", event_type.encode()))
        headers += self.identity
        headers.append(_position_header(position))
        return headers


@lru_cache(maxsize=1024)
def _position_header(position: int) -> Header:
    return "position", b"%d" % position
