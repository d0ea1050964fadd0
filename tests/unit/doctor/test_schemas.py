"""Rules about the registry."""

from __future__ import annotations

from journeys.doctor import schemas
from journeys.doctor.report import Status
from journeys.producer.registry import State, Subject
from journeys.producer.schemas import REMEDY
from journeys.settings import load


def subject(name: str, state: State = State.OK, *, compatible: bool = True) -> Subject:
    """A subject in this state, with the id 7 if it is registered."""
    schema_id = 7 if state is State.OK else None
    return Subject(name=name, record="AdsEvent", state=state, schema_id=schema_id, compatible=compatible)


def test_registered_schemas_are_listed_with_their_ids() -> None:
    """The address hides its password."""
    settings = load(None, {"JOURNEYS_REGISTRY__URL": "http://me:s3cret@registry:8081"})
    assert schemas.answer(settings, []).detail == "answers at http://***@registry:8081"
    finding = schemas.subjects([subject("a"), subject("b")])
    assert finding.status is Status.OK
    assert finding.items[0].values == {"state": "ok", "id": 7, "record": "AdsEvent"}


def test_missing_schema_has_a_command_unless_one_is_incompatible() -> None:
    """The command registers nothing then."""
    missing = schemas.subjects([subject("a"), subject("b", State.MISSING)])
    assert (missing.status, missing.remedy, missing.detail) == (Status.FAIL, REMEDY, "not registered: b (missing)")
    foreign = schemas.subjects([subject("b", State.MISSING), subject("c", State.DIFFERS, compatible=False)])
    assert foreign.status is Status.FAIL
    assert foreign.remedy != REMEDY


def test_weaker_compatibility_is_a_warning() -> None:
    """A subject without a level of its own follows the registry's, which may be weaker."""
    assert schemas.compatibility({"a": "FULL_TRANSITIVE"}).status is Status.OK
    weak = schemas.compatibility({"a": "FULL_TRANSITIVE", "b": "BACKWARD", "c": None})
    assert (weak.status, weak.detail) == (Status.WARN, "not FULL_TRANSITIVE: b (BACKWARD), c (none of its own)")
    assert schemas.compatibility({}).status is Status.SKIPPED
