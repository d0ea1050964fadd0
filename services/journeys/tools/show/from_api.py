"""The journey that the API has, in the form of the records that a worker would publish of it."""

from __future__ import annotations

from journeys.avro.wire import Decoder
from journeys.library import encode_journey
from journeys.model import Journey
from journeys.producer import schemas
from journeys.settings import Settings
from journeys.tools.show.edition import Edition


def as_edition(settings: Settings, journey: Journey) -> Edition:
    """The records that a worker would publish of this journey, decoded. Needs no registry."""
    prefix = settings.publish.topic_prefix
    names = list(schemas.RECORDS)
    ids = {schemas.subject(prefix, name): number for number, name in enumerate(names)}
    decoder = Decoder(lambda schema_id: schemas.text(schemas.RECORDS[names[schema_id]]), trusted=True)
    *events, summary = (
        (record.topic.removeprefix(prefix), decoder.decode(record.value or b""))
        for record in encode_journey(journey, ids, settings)
    )
    return Edition(summary=summary[1], events=tuple(events))
