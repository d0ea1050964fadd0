"""Rules about the schema registry and its subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from journeys.doctor.report import Finding, Item, fail, ok, skipped, warn
from journeys.producer.registry import COMPATIBILITY, State, Subject
from journeys.producer.schemas import REMEDY
from journeys.redact import without_credentials
from journeys.settings import Settings


def answer(settings: Settings, found: Sequence[Subject]) -> Finding:
    """The registry answered about the subjects."""
    return ok(f"answers at {without_credentials(settings.registry.url)}", values={"subjects": len(found)})


def subjects(found: Sequence[Subject]) -> Finding:
    """Whether the registry has the schema of each topic."""
    items = [
        Item(name=each.name, values={"state": each.state.value, "id": each.schema_id, "record": each.record})
        for each in found
    ]
    unready = [each for each in found if each.state is not State.OK]
    if not unready:
        ids = [each.schema_id for each in found if each.schema_id is not None]
        return ok(f"all {len(found)} schemas are registered, with ids {min(ids)} to {max(ids)}", items=items)
    listed = ", ".join(map(str, unready))
    if all(each.compatible for each in unready):
        return fail(f"not registered: {listed}", REMEDY, items=items)
    remedy = "give the topics another JOURNEYS_PUBLISH__TOPIC_PREFIX, or delete the other team's schemas"
    return fail(f"not registered: {listed}", remedy, items=items)


def compatibility(levels: Mapping[str, str | None]) -> Finding:
    """Whether each subject refuses a schema that would break its readers. `levels`: None without one of its own."""
    items = [Item(name=subject, values={"compatibility": level}) for subject, level in levels.items()]
    others = {subject: level for subject, level in levels.items() if level != COMPATIBILITY}
    if others:
        listed = ", ".join(f"{subject} ({level or 'none of its own'})" for subject, level in others.items())
        return warn(f"not {COMPATIBILITY}: {listed}", REMEDY, items=items)
    if not levels:
        return skipped("no subject exists yet")
    return ok(f"{COMPATIBILITY} for {len(levels)} subjects", items=items)
