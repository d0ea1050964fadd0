"""A whole journey as the records to publish: events in order, rejected items, then the summary.

The records of one order share its key, so they meet in one partition of each topic and keep the journey's order
there. Values are in the Confluent wire format; the schema ids are looked up once, before the first journey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, TypeAlias

from journeys import avro
from journeys.errors import RefusedError, SetupError
from journeys.model import Journey, Json, Record
from journeys.producer import schemas
from journeys.producer.body import Body
from journeys.producer.channels import Channel, Channels
from journeys.producer.conform import Datum, Plan, api_fields
from journeys.producer.texts import raw_json, utf8, writable

REMEDY: Final = "journeys schemas register"

_EVENT_HEADERS: Final = ("event_id", "event_type")
"""Headers that carry a field of the event itself."""

_Headers: TypeAlias = list[tuple[str, str | bytes | None]]


class _Kind:
    """What all records of one topic have in common: name and topic, schema, schema id, `schema` header."""

    def __init__(self, name: str, prefix: str, schema_ids: Mapping[str, int]) -> None:
        self.name = str(name)
        self.topic = schemas.topic(prefix, name)
        record = schemas.RECORDS[name]
        self.body = Body(schemas.load(record))
        self._header = avro.header(schema_ids[schemas.subject(prefix, name)])
        self._schema_header = ("schema", record.encode())

    def record(self, key: bytes, headers: _Headers, body: bytes) -> Record:
        headers.append(self._schema_header)
        return Record(topic=self.topic, key=key, value=self._header + body, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What all records of one journey share, built once: the key, the identifying headers, and fields."""

    key: bytes
    identity: _Headers
    fields: Datum

    @classmethod
    def of(cls, journey: Journey) -> _Common:
        key = journey.order_id.encode()
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
                "shop_currency": utf8(journey.shop_currency),
                "journey_size": len(journey.events),
                "fetched_at": journey.fetched_at_ms,
            },
        )

    def place(self, datum: Datum, position: int) -> None:
        """Put the fields into a datum that say whose it is, and where in the journey."""
        datum |= self.fields
        datum["position"] = position

    def headers(self, datum: Datum) -> _Headers:
        """The headers of a datum that was placed; null ones are left out."""
        headers: _Headers = [(name, text.encode()) for name in _EVENT_HEADERS if (text := datum.get(name)) is not None]
        headers += self.identity
        headers.append(("position", b"%d" % datum["position"]))
        return headers


@dataclass(slots=True)
class _Tally:
    """What a journey's summary counts while its events are encoded."""

    order_id: str
    expected: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    misfits: int = 0
    first_event_at: int | None = None
    last_event_at: int | None = None
    conversion_seen: bool = False

    def count(self, channel: str, datum: Datum) -> None:
        """Take an event's datum into account."""
        self.expected[channel] = self.expected.get(channel, 0) + 1
        self.misfits += len(datum["misfits"])
        at = datum["event_at"]
        if at is not None:
            self.first_event_at = at if self.first_event_at is None else min(at, self.first_event_at)
            self.last_event_at = at if self.last_event_at is None else max(at, self.last_event_at)
        checkout = datum["checkout_completed"]
        if checkout is not None and checkout.get("other_order_id") == self.order_id:
            self.conversion_seen = True


class JourneyEncoder:
    """Turns journeys into records. Pure once it is built; building it reads the schemas' files.

    `schema_ids` holds the registry's id for each subject (`<topic>-value`), `aliases` more spellings of event types
    (spelling → channel), `zone` the time zone of an `event_at` without offset. `misfit` is told the JSON Pointer of
    each value that did not fit. Raises SetupError where an id is missing, SettingsError where an alias is wrong.
    """

    def __init__(
        self,
        schema_ids: Mapping[str, int],
        *,
        topic_prefix: str = "journey.",
        aliases: Mapping[str, str] | None = None,
        zone: tzinfo = UTC,
        misfit: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._misfit = misfit
        subjects = [schemas.subject(topic_prefix, name) for name in schemas.RECORDS]
        missing = [subject for subject in subjects if subject not in schema_ids]
        if missing:
            raise SetupError(f"no schema id for {', '.join(missing)}", remedy=REMEDY)
        self._channels = Channels(aliases)
        kinds = {name: _Kind(name, topic_prefix, schema_ids) for name in schemas.RECORDS}
        self._events = {channel: kinds[channel] for channel in Channel}
        self._rejected = kinds[schemas.REJECTED]
        self._summary = kinds[schemas.SUMMARY]
        definitions = {channel: schemas.load(schemas.RECORDS[channel]) for channel in Channel}
        known = api_fields(definitions[Channel.OTHER])
        self._plans = {name: Plan(schema, elsewhere=known, zone=zone) for name, schema in definitions.items()}

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
        summary = self._summary.body(_summary(journey, common.fields, tally))
        return [*events, *rejected, self._summary.record(common.key, [*common.identity], summary)]

    def _event(self, event: dict[str, Json], position: int, common: _Common, tally: _Tally) -> Record:
        channel = self._channels.of(event.get("event_type"))
        kind, plan = self._events[channel], self._plans[channel]
        body = None
        if (datum := plan.as_is(event)) is not None:
            common.place(datum, position)
            body = kind.body.exact(datum)
        if datum is None or body is None:
            datum = plan(event)
            common.place(datum, position)
            body = kind.body(datum)
        tally.count(kind.name, datum)
        for pointer in datum["misfits"]:
            self._misfit(pointer)
        return kind.record(common.key, common.headers(datum), body)

    def _reject(self, event: Json, position: int, common: _Common) -> Record:
        datum: Datum = {"raw": raw_json(event)}
        common.place(datum, position)
        return self._rejected.record(common.key, common.headers(datum), self._rejected.body(datum))


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
