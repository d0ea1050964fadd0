"""The steps in which the encoder in C writes an event."""

from __future__ import annotations

import pytest

from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.coerce import ON_SITE, OWN_FIELDS
from journeys.producer.encoding.fields import GIVEN, Step, steps


@pytest.mark.parametrize("channel", Channel)
def test_the_steps_write_each_field_of_the_record_in_its_order(channel: Channel) -> None:
    """Avro has no field names in a body, so the order is the schema's."""
    schema = schemas.load(schemas.RECORDS[channel])
    written = [step for step in steps(schema, ["elsewhere"]) if step.what != "foreign"]
    assert [step.avro_type for step in written] == [field["type"] for field in schema["fields"]]


def test_fields_of_other_channels_come_first_and_write_nothing() -> None:
    """Neither our own fields nor those of the record are foreign."""
    schema = {"fields": [{"name": "here", "type": "string"}]}
    own = min(OWN_FIELDS)
    assert [*steps(schema, ["there", "here", own, "anywhere"])] == [
        Step("foreign", "anywhere"),
        Step("foreign", "there"),
        Step("taken", "here", "string"),
    ]


def test_each_kind_of_field_has_its_step() -> None:
    """The time is read once and its text copied; given fields name their place; on-site objects set a bit each."""
    names = ["event_at", "event_at_text", GIVEN[2], "position", "actions", "misfits", "extra", ON_SITE[1]]
    schema = {"fields": [{"name": name, "type": "long"} for name in names]}
    assert [(step.what, step.name, step.number) for step in steps(schema, [])] == [
        ("time", "event_at", 0),
        ("copied", "event_at", 0),
        ("given", GIVEN[2], 2),
        ("position", "position", 0),
        ("actions", "actions", 0),
        ("misfits", "misfits", 0),
        ("extra", "extra", 0),
        ("taken", ON_SITE[1], 2),
    ]
