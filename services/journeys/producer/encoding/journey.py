"""A whole journey as the records to publish: events in order, rejected items, then the summary.

The records of one order share its key, so they meet in one partition of each topic and keep the journey's order
there. Values are in the Confluent wire format; the schema ids are looked up once, before the first journey.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Final

from journeys.errors import RejectedOrderError, SetupError
from journeys.model import Journey, Json, Record
from journeys.producer import schemas
from journeys.producer.channels import Channel, Channels, spelling
from journeys.producer.encoding import extension
from journeys.producer.encoding.body import by_fastavro, in_c
from journeys.producer.encoding.coerce import Datum, api_fields, object_coercion
from journeys.producer.encoding.fields import Written
from journeys.producer.encoding.record_type import Common, EventRecordType, RecordType
from journeys.producer.encoding.text import raw_json, writable

_POSITION: Final = re.compile(r"([^/]+)/([0-9]{1,18})/([0-9]{1,18})")
"""`topic/partition/offset`; longer numbers are beyond a long."""


class JourneyEncoder:
    """Turns journeys into records. Does no I/O once it is built; building it reads the schemas' files.

    Not thread-safe. `schema_ids` maps each subject (`<topic>-value`) to its id in the registry, `aliases` more
    spellings of event types to channels. `zone` is the time zone of an `event_at` without offset. `misfit` is called
    with the JSON Pointer of each value that did not fit. `native` chooses the encoder in C where it is installed;
    otherwise fastavro encodes, to the same bytes. Raises SetupError if an id is missing, SettingsError if an alias is
    wrong.
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
            raise SetupError(f"no schema id for {', '.join(missing)}", remedy=schemas.REMEDY)
        channels = Channels(aliases)
        known = api_fields(schemas.load(schemas.RECORDS[Channel.OTHER]))
        use_c = native and extension.native is not None
        encoder = in_c if use_c else by_fastavro
        types = {
            channel: EventRecordType(channel, topic_prefix, schema_ids, encoder, elsewhere=known, zone=zone)
            for channel in Channel
        }
        self._type_of = lru_cache(maxsize=1024)(lambda event_type: types[channels.of(event_type)])
        self._channel_of = {each.topic: each.name for each in types.values()}
        self._fast = extension.native.EventEncoder([*types.values()], self._type_of) if use_c else None
        self._rejected = RecordType(schemas.REJECTED, topic_prefix, schema_ids, encoder)
        self._summary = RecordType(schemas.SUMMARY, topic_prefix, schema_ids, encoder)
        self._checkout = object_coercion(schemas.load("CheckoutCompleted"))

    def encode(self, journey: Journey) -> list[Record]:
        """The records of a journey, the summary last. The same journey always gives the same bytes.

        Raises RejectedOrderError where the journey holds JSON that cannot be written as text.
        """
        try:
            return self._encode(journey)
        except (ValueError, OverflowError) as error:
            what = f"the journey cannot be encoded: {type(error).__name__}"
            raise RejectedOrderError(what, reason="unencodable", stage="publish") from error

    def _encode(self, journey: Journey) -> list[Record]:
        common = Common.of(journey)
        written = self._written(journey.events, common)
        events: list[Record] = []
        rejected: list[Record] = []
        for position, record in enumerate(written.records):
            if record is not None:
                events.append(record)
            elif type(item := journey.events[position]) is dict:
                events.append(self._coerced(item, position, common, written))
            else:
                rejected.append(self._reject(item, position, common))
        expected: dict[str, int] = {}
        for event in events:
            channel = self._channel_of[event.topic]
            expected[channel] = expected.get(channel, 0) + 1
        datum = _summary(journey, common, written, expected, rejected=len(rejected))
        if written.conversions:
            datum |= self._order(journey, written)
        summary = self._summary.value(datum)
        return [*events, *rejected, self._summary.record(common.key, [*common.identity], summary)]

    def _written(self, items: tuple[Json, ...], common: Common) -> Written:
        """The records that need no coercion."""
        if self._fast is not None:
            return self._fast.write(items, common)
        return Written(records=[None] * len(items), times=[], conversions=[])

    def _coerced(self, event: dict[str, Json], position: int, common: Common, written: Written) -> Record:
        """The record of an event that does not fit as it is; its time, conversion and misfits join `written`."""
        record_type = self._type_of(spelling(event.get("event_type")))
        datum = record_type.coercion(event)
        common.place(datum, position)
        if datum["event_at"] is not None:
            written.times.append(datum["event_at"])
        checkout = datum["checkout_completed"]
        if checkout is not None and checkout["other_order_id"] == common.fields["order_id"]:
            written.conversions.append((datum["event_at"], position))
        for pointer in datum["misfits"]:
            written.misfits.append(pointer)
            self._misfit(pointer)
        return record_type.record(common.key, common.headers(datum, position), record_type.value(datum))

    def _order(self, journey: Journey, written: Written) -> Datum:
        """The summary's fields of the order itself, from its latest completed checkout."""
        _, position = max(written.conversions, key=_lateness)
        checkout = self._checkout(journey.events[position]["checkout_completed"])
        return {
            "order_no": checkout["other_order_no"],
            "order_total": checkout["total_price"],
            "order_currency": checkout["currency"],
            "order_shop_currency_total": checkout["shop_currency_total_price"],
        }

    def _reject(self, event: Json, position: int, common: Common) -> Record:
        datum: Datum = {"raw": raw_json(event)}
        common.place(datum, position)
        return self._rejected.record(common.key, common.headers(datum, position), self._rejected.value(datum))


def _summary(journey: Journey, common: Common, written: Written, expected: dict[str, int], *, rejected: int) -> Datum:
    """The summary, without the fields that only an order with a completed checkout has."""
    extra = {writable(pointer): raw_json(value) for pointer, value in journey.extra.items()}
    if common.fields["shop_currency"] != journey.shop_currency:
        extra["/shop_currency"] = raw_json(journey.shop_currency)
    return {
        **common.fields,
        **_source(journey.edition),
        "order_timestamp": journey.order_timestamp_ms,
        "expected": expected,
        "api_total": journey.total,
        "pages": journey.pages,
        "rejected": rejected,
        "repeated": journey.repeated,
        "shared_ids": journey.shared_ids,
        "misfit_count": len(written.misfits),
        "consistent": journey.consistent,
        "first_event_at": min(written.times, default=None),
        "last_event_at": max(written.times, default=None),
        "conversion_seen": len(written.conversions) > 0,
        "extra": extra,
    }


def _lateness(conversion: tuple[int | None, int]) -> tuple[bool, int, int]:
    """A sort key. Checkouts without a time come before all others; of equal times the later position wins."""
    at, position = conversion
    return at is not None, at or 0, position


def _source(edition: str) -> Datum:
    """The position in Kafka that an edition names; nothing where it is none, as with a backfill."""
    position = _POSITION.fullmatch(edition)
    if position is None:
        return {}
    topic, partition, offset = position.groups()
    return {"source_topic": topic, "source_partition": int(partition), "source_offset": int(offset)}
