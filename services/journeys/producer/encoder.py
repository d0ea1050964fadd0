"""A whole journey as the records to publish: events in order, rejected items, then the summary.

The records of one order share its key, so they meet in one partition of each topic and keep the journey's order
there. Values are in the Confluent wire format; the schema ids are looked up once, before the first journey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from journeys import avro
from journeys.errors import RefusedError, SetupError
from journeys.model import Journey, Json, Record
from journeys.producer import pieces, schemas
from journeys.producer.body import INEXACT, Body
from journeys.producer.channels import Channel, Channels
from journeys.producer.conform import Datum, Plan, api_fields
from journeys.producer.events import writer
from journeys.producer.texts import raw_json, utf8, writable

REMEDY: Final = "journeys schemas register"

_Header: TypeAlias = tuple[str, str | bytes | None]
_Headers: TypeAlias = list[_Header]


class _Kind:
    """What all records of one topic have in common: name and topic, schema, schema id, `schema` header."""

    def __init__(self, name: str, prefix: str, schema_ids: Mapping[str, int], *, native: bool) -> None:
        self.name = str(name)
        self.topic = schemas.topic(prefix, name)
        record = schemas.RECORDS[name]
        self.schema = schemas.load(record)
        self.header = avro.header(schema_ids[schemas.subject(prefix, name)])
        self._body = Body(self.schema, native=native)
        self._schema_header = ("schema", record.encode())

    def value(self, datum: Datum) -> bytes:
        """A datum in the wire format."""
        return self.header + self._body(datum)

    def record(self, key: bytes, headers: _Headers, value: bytes) -> Record:
        """The record of a value; its headers get one more."""
        headers.append(self._schema_header)
        return Record(topic=self.topic, key=key, value=value, headers=headers)


class _Events(_Kind):
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
        self.write = writer(
            self.schema, plan=self.plan, header=self.header, elsewhere=elsewhere, zone=zone, native=native
        )


class _Common(msgspec.Struct, frozen=True, kw_only=True):
    """What all records of one journey share, built once: the key, the identifying headers, and fields."""

    key: bytes
    identity: _Headers
    fields: Datum
    pieces: tuple[str, ...]
    """Of the fields that a `Writer` wants."""

    @classmethod
    def of(cls, journey: Journey) -> _Common:
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

    def headers(self, datum: Mapping[str, Any], position: int) -> _Headers:
        """The headers of what stands at a position; an id or a type that is null is left out."""
        headers: _Headers = []
        if (event_id := datum.get("event_id")) is not None:
            headers.append(("event_id", event_id.encode()))
        if (event_type := datum.get("event_type")) is not None:
            headers.append(_type_header(event_type))
        headers += self.identity
        headers.append(_position_header(position))
        return headers


@lru_cache(maxsize=1024)
def _type_header(event_type: str) -> _Header:
    return "event_type", event_type.encode()


@lru_cache(maxsize=1024)
def _position_header(position: int) -> _Header:
    return "position", b"%d" % position


class _Tally(msgspec.Struct, kw_only=True):
    """What a journey's summary counts while its events are encoded."""

    order_id: str
    expected: dict[str, int] = {}
    rejected: int = 0
    misfits: int = 0
    first_event_at: int | None = None
    last_event_at: int | None = None
    conversion_seen: bool = False

    def count(self, channel: str, at: int | None, checkout: Mapping[str, Any] | None) -> None:
        """Take an event into account: its time in milliseconds, and its completed checkout."""
        self.expected[channel] = self.expected.get(channel, 0) + 1
        if at is not None:
            if self.first_event_at is None or at < self.first_event_at:
                self.first_event_at = at
            if self.last_event_at is None or at > self.last_event_at:
                self.last_event_at = at
        if checkout is not None and checkout.get("other_order_id") == self.order_id:
            self.conversion_seen = True


class JourneyEncoder:
    """Turns journeys into records. Pure once it is built; building it reads the schemas' files.

    `schema_ids` holds the registry's id for each subject (`<topic>-value`), `aliases` more spellings of event types
    (spelling → channel), `zone` the time zone of an `event_at` without offset. `misfit` is told the JSON Pointer of
    each value that did not fit. `native`: in C, where the installation has it. Raises SetupError where an id is
    missing, SettingsError where an alias is wrong.
    """

    def __init__(
        self,
        schema_ids: Mapping[str, int],
        *,
        topic_prefix: str = "journey.",
        aliases: Mapping[str, str] | None = None,
        zone: tzinfo = UTC,
        misfit: Callable[[str], object] = lambda _: None,
        native: bool = True,
    ) -> None:
        self._misfit = misfit
        subjects = [schemas.subject(topic_prefix, name) for name in schemas.RECORDS]
        missing = [subject for subject in subjects if subject not in schema_ids]
        if missing:
            raise SetupError(f"no schema id for {', '.join(missing)}", remedy=REMEDY)
        self._channels = Channels(aliases)
        known = api_fields(schemas.load(schemas.RECORDS[Channel.OTHER]))
        self._events = {
            channel: _Events(channel, topic_prefix, schema_ids, native=native, elsewhere=known, zone=zone)
            for channel in Channel
        }
        self._rejected = _Kind(schemas.REJECTED, topic_prefix, schema_ids, native=native)
        self._summary = _Kind(schemas.SUMMARY, topic_prefix, schema_ids, native=native)

    def encode(self, journey: Journey) -> list[Record]:
        """The records of a journey, the summary last. The same journey always gives the same bytes.

        Raises RefusedError where the journey holds JSON that no text can be made of, such as nesting without end.
        """
        try:
            return self._encode(journey)
        except (RecursionError, ValueError, OverflowError) as error:
            what = f"the journey cannot be encoded: {type(error).__name__}"
            raise RefusedError(what, reason="unencodable", stage="publish") from error

    def _encode(self, journey: Journey) -> list[Record]:
        common = _Common.of(journey)
        tally = _Tally(order_id=journey.order_id)
        events: list[Record] = []
        rejected: list[Record] = []
        for position, event in enumerate(journey.events):
            if type(event) is dict:
                events.append(self._event(event, position, common, tally))
            else:
                rejected.append(self._reject(event, position, common))
        tally.rejected = len(rejected)
        summary = self._summary.value(_summary(journey, common.fields, tally))
        return [*events, *rejected, self._summary.record(common.key, [*common.identity], summary)]

    def _event(self, event: dict[str, Json], position: int, common: _Common, tally: _Tally) -> Record:
        kind = self._events[self._channels.of(event.get("event_type"))]
        try:
            value, at = kind.write(event, pieces.long(position), *common.pieces)
        except INEXACT:
            return self._fitted(kind, event, position, common, tally)
        tally.count(kind.name, at, event.get("checkout_completed"))
        return kind.record(common.key, common.headers(event, position), value)

    def _fitted(self, kind: _Events, event: dict[str, Json], position: int, common: _Common, tally: _Tally) -> Record:
        """The record of an event that does not fit as it is."""
        datum = kind.plan(event)
        common.place(datum, position)
        tally.count(kind.name, datum["event_at"], datum["checkout_completed"])
        for pointer in datum["misfits"]:
            tally.misfits += 1
            self._misfit(pointer)
        return kind.record(common.key, common.headers(datum, position), kind.value(datum))

    def _reject(self, event: Json, position: int, common: _Common) -> Record:
        datum: Datum = {"raw": raw_json(event)}
        common.place(datum, position)
        return self._rejected.record(common.key, common.headers(datum, position), self._rejected.value(datum))


def _summary(journey: Journey, common: Datum, tally: _Tally) -> Datum:
    extra = {writable(pointer): raw_json(value) for pointer, value in journey.extra.items()}
    if common["shop_currency"] != journey.shop_currency:
        extra["/shop_currency"] = raw_json(journey.shop_currency)
    return (
        common
        | _source(journey.edition)
        | {
            "order_timestamp": journey.order_timestamp_ms,
            "expected": tally.expected,
            "total": journey.total,
            "pages": journey.pages,
            "rejected": tally.rejected,
            "repeated": journey.repeated,
            "misfits": tally.misfits,
            "consistent": journey.consistent,
            "first_event_at": tally.first_event_at,
            "last_event_at": tally.last_event_at,
            "conversion_seen": tally.conversion_seen,
            "extra": extra,
        }
    )


def _source(edition: str) -> dict[str, Any]:
    """The position in Kafka that an edition names; nulls where it is none, as with a backfill."""
    topic, _, rest = edition.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and _is_number(partition) and _is_number(offset)):
        return dict.fromkeys(("source_topic", "source_partition", "source_offset"))
    return {"source_topic": topic, "source_partition": int(partition), "source_offset": int(offset)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
