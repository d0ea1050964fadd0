"""The straight way of an event: from decoded JSON to its Avro value by one function, with nothing between.

Most events have the types that their record wants. Fitting them would find nothing to do, so no datum is made of
them: each field is taken out of the event itself, and those that are ours are added. What is done for each field stands
in `steps`; `native.Event` does it in C, and where an installation has no C a function that is generated:

    def event2(event, position, account, edition, order_id, shop_currency, journey_size, fetched_at):
        datum = event
        if len(datum) != 22:
            datum = fill1(datum)
        v0, …, v5, … = take2(datum)
        …
        return join((HEADER, account, edition, …, nv5, v5, …)).encode('latin-1'), at

An event that has to be fitted raises one of `body.INEXACT`, and goes the way of `Plan` and `Body`. Wherever more than
one way is open they give the same bytes (a property test).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from journeys.model import Json
from journeys.producer.encoding import extension, pieces
from journeys.producer.encoding.coerce import ON_SITE, OWN_FIELDS, Plan
from journeys.producer.encoding.source import Source
from journeys.producer.encoding.text import moment

GIVEN: Final = ("account", "edition", "order_id", "shop_currency", "journey_size", "fetched_at")
"""Fields that are the same for all events of a journey. A writer takes their pieces in this order."""


class Writer(Protocol):
    """Writes events that fit as they are."""

    @property
    def write(self) -> Callable[..., tuple[bytes, int | None]]:
        """Takes an event, its position and the pieces of the `GIVEN` fields; gives its value and its time in ms.

        Raises one of `body.INEXACT` for an event that does not fit as it is.
        """


What: TypeAlias = Literal["foreign", "taken", "copied", "time", "position", "given", "actions", "misfits", "extra"]
_OURS: Final[Mapping[str, What]] = {
    "position": "position",
    "actions": "actions",
    "misfits": "misfits",
    "extra": "extra",
}


class Step(NamedTuple):
    """What is done for one field of an event, or of its record.

    - foreign: other channels' records know it; nothing is written, and a value that is not null is unknown
    - taken: the event's value is written; where it is not null, the bits of `number` are set in the number of `actions`
    - copied: as taken, of a field that another step takes
    - time: the time that the event's value names is written
    - position: that of the event in its journey
    - given: the piece is written that the caller gives, `number` is its place
    - actions: the names of the on-site objects that were taken before
    - misfits: nothing, since all fit
    - extra: what is unknown, at any depth
    """

    what: What
    name: str
    type: Json = None
    """The Avro type of what is written."""
    number: int = 0


def steps(schema: Mapping[str, Any], elsewhere: Iterable[str]) -> Iterator[Step]:
    """How an event of a channel is written: its foreign fields, then the record's, in their order."""
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    for name in sorted(set(elsewhere) - OWN_FIELDS - fields.keys()):
        yield Step("foreign", name)
    for name, kind in fields.items():
        if name == "event_at":
            yield Step("time", name, kind)
        elif name == "event_at_text":
            yield Step("copied", "event_at", kind)
        elif name in GIVEN:
            yield Step("given", name, kind, GIVEN.index(name))
        elif name in _OURS:
            yield Step(_OURS[name], name, kind)
        else:
            yield Step("taken", name, kind, 1 << ON_SITE.index(name) if name in ON_SITE else 0)


def writer(
    schema: Mapping[str, Any],
    *,
    plan: Plan,
    header: bytes = b"",
    elsewhere: Iterable[str] = (),
    zone: tzinfo = UTC,
    native: bool = True,
) -> Writer:
    """The writer of one channel's events; each value begins with `header`.

    `plan` is the channel's own, and `elsewhere` are the fields that other channels' records know. `native`: in C, where
    the installation has it.
    """
    taken = [*steps(schema, elsewhere)]
    if native and extension.native is not None:
        return extension.native.Event(taken, header, _actions(), zone)
    return EventSource(taken, header, _actions(), zone, plan.unknown)


def _when(zone: tzinfo, text: str | None) -> int | None:
    """The time that a text names."""
    if text is None:
        return None
    if text.__class__ is not str:
        raise TypeError
    return moment(text, zone)


def _actions() -> list[str]:
    """The piece of `actions` for each set of on-site objects, of which the first is the lowest bit."""
    sets = [[name for bit, name in enumerate(ON_SITE) if done >> bit & 1] for done in range(1 << len(ON_SITE))]
    return [pieces.strings(names) for names in sets]


_TAKEN: Final = frozenset({"foreign", "taken", "copied", "time"})
"""What begins with a value of the event."""
_HEAD: Final = """\
datum = event
if len(datum) != {fields}:
    datum = {fill}(datum)
done = 0
"""
_FOREIGN: Final = """\
if {v} is not None:
    odd.append(True)
"""
_ON_SITE: Final = """\
if {v} is None:
    {v} = NULL
else:
    {v} = VALUE + {piece}
    done += {bit}
"""
_TIME: Final = """\
at = {v} = when({v})
"""


class EventSource(Source):
    """The source of a writer that takes these steps.

    `actions` are the pieces of that field for each set of on-site objects; a time without offset is in `zone`, and
    `unknown` gives what is to go to `extra`.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        header: bytes,
        actions: list[str],
        zone: tzinfo,
        unknown: Callable[[dict[str, Json]], dict[str, str]],
    ) -> None:
        odd: list[bool] = []

        def met(event: dict[str, Json]) -> dict[str, str]:
            odd.clear()
            return unknown(event)

        super().__init__("an event", odd=odd)
        when = partial(_when, zone)
        self._names |= {"HEADER": header.decode("latin-1"), "ACTIONS": actions, "when": when, "unknown": met}
        read = [{"name": step.name, "type": ["null"]} for step in steps if step.what in {"foreign", "taken", "time"}]
        variables = {f"v{number}": step for number, step in enumerate(steps)}
        body = _HEAD.format(fields=len(read), fill=self._fill(read))
        body += self._take({variable: step.name for variable, step in variables.items() if step.what in _TAKEN})
        made = ["HEADER"]
        for variable, step in variables.items():
            statements, parts = self._step(step, variable)
            body += statements
            made += parts
        body += f"return join(({', '.join(made)})).encode('latin-1'), at\n"
        self._entry = self._define(self._name("event"), f"event, position, {', '.join(GIVEN)}", body)

    def _step(self, step: Step, variable: str) -> tuple[str, list[str]]:
        """The statements that make the pieces of a field, and the pieces."""
        if step.what == "foreign":
            return _FOREIGN.format(v=variable), []
        if step.what == "time":
            return _TIME.format(v=variable) + self._statement(step.type, variable), [variable]
        if step.what not in _TAKEN:
            return "", [self._ours(step)]
        if step.number:
            piece = self._piece(step.type[1], variable)
            return _ON_SITE.format(v=variable, piece=piece, bit=step.number), [variable]
        return self._statement(step.type, variable), self._made_of(step.type, variable)

    def _ours(self, step: Step) -> str:
        """The piece of a field that is not taken out of the event."""
        if step.what == "extra":  # asked for when all fields have been taken
            return f"({self._piece(step.type, 'unknown(event)')} if odd else END)"
        pieces = {"position": "long(position)", "actions": "ACTIONS[done]", "misfits": "END"}
        return pieces.get(step.what, step.name)
