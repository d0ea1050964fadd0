"""The straight way of an event: from decoded JSON to its Avro value by one generated function, with nothing between.

Most events have the types that their record wants. Fitting them would find nothing to do, so no datum is made of
them: the function takes each field out of the event itself, and adds those that are ours.

    def event1(event, position, account, edition, order_id, shop_currency, journey_size, fetched_at):
        datum = event
        if len(datum) != 22:
            datum = fill(datum)
        …
        v5 = datum['event_type']
        …
        return join((HEADER, account, edition, …, nv5, v5, …)).encode('latin-1'), at

An event that has to be fitted raises one of `INEXACT`, and goes the way of `Plan` and `Body`. Where both ways are open
they give the same bytes (a property test).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from textwrap import indent
from typing import Any, Final, TypeAlias

from journeys.model import Json
from journeys.producer import pieces
from journeys.producer.conform import ON_SITE, OWN_FIELDS, Plan
from journeys.producer.source import Source, filling
from journeys.producer.texts import moment

SHARED: Final = ("account", "edition", "order_id", "shop_currency", "journey_size", "fetched_at")
"""Fields that all events of a journey have in common. A writer takes their pieces, in this order."""

Writer: TypeAlias = Callable[..., tuple[bytes, int | None]]
"""Takes an event, and the pieces of its position and of the `SHARED` fields; gives its value and its time in ms.

Raises one of `body.INEXACT` for an event that does not fit as it is.
"""

_HEAD: Final = """\
datum = event
if len(datum) != {fields}:
    datum = fill(datum)
done = 0
"""
_FOREIGN: Final = """\
if datum[{name!r}] is not None:
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
at = {v} = when(datum['event_at'])
"""


class EventSource(Source):
    """The source of the writer of one channel's events; each value begins with `header`.

    `plan` is the channel's own, and `elsewhere` are the fields that other channels' records know.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        *,
        plan: Plan,
        header: bytes = b"",
        elsewhere: Iterable[str] = (),
        zone: tzinfo = UTC,
    ) -> None:
        self._plan = plan
        self._header = header.decode("latin-1")
        self._zone = zone
        self._odd: list[bool] = []  # something unknown was met on the way through the event
        self._fields = {field["name"]: field["type"] for field in schema["fields"]}
        self._known = self._fields.keys() - OWN_FIELDS
        self._foreign = frozenset(elsewhere) - OWN_FIELDS - self._known
        super().__init__(schema)

    def _entry(self, _: Mapping[str, Any]) -> str:
        api = {"fields": [{"name": field, "type": ["null"]} for field in self._known | self._foreign]}
        name = self._name("event")
        body = _HEAD.format(fields=len(api["fields"]))
        body += "".join(_FOREIGN.format(name=foreign) for foreign in sorted(self._foreign))
        made = ["HEADER"]
        for number, field in enumerate(self._fields):
            statements, parts = self._field(field, f"v{number}")
            body += statements
            made += parts
        body += f"return join(({', '.join(made)})).encode('latin-1'), at\n"
        self._functions.append(f"def {name}({', '.join(('event', 'position', *SHARED))}):\n{indent(body, '    ')}")
        self.names |= {
            "HEADER": self._header,
            "ACTIONS": self._actions(),
            "fill": self._filling(api),
            "odd": self._odd,
            "unknown": self._unknown,
            "when": self._when,
        }
        return name

    def _field(self, name: str, variable: str) -> tuple[str, list[str]]:
        """The statements that make the pieces of a field, and the pieces."""
        kind = self._fields[name]
        if name == "event_at":
            return _TIME.format(v=variable) + self._statement(kind, variable), [variable]
        if name in OWN_FIELDS and name != "event_at_text":
            # What is known only when all fields have been taken, or by whoever calls.
            extra = f"({self._piece(kind, 'unknown(event)')} if odd else END)" if name == "extra" else ""
            return "", [{"actions": "ACTIONS[done]", "misfits": "END", "extra": extra}.get(name, name)]
        taken = f"{variable} = datum[{name.removesuffix('_text')!r}]\n"
        if name in ON_SITE:
            piece = self._piece(kind[1], variable)
            return taken + _ON_SITE.format(v=variable, piece=piece, bit=1 << ON_SITE.index(name)), [variable]
        return taken + self._statement(kind, variable), self._made_of(kind, variable)

    def _filling(self, kind: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return filling(kind, self._odd)

    def _unknown(self, event: dict[str, Json]) -> dict[str, str]:
        self._odd.clear()
        return self._plan.unknown(event)

    def _when(self, text: str | None) -> int | None:
        """The time that a text names."""
        if text is None:
            return None
        if text.__class__ is not str:
            raise TypeError
        return moment(text, self._zone)

    @staticmethod
    def _actions() -> list[str]:
        """The piece of `actions` for each set of on-site objects, of which the first is the lowest bit."""
        sets = [[name for bit, name in enumerate(ON_SITE) if done >> bit & 1] for done in range(1 << len(ON_SITE))]
        return [pieces.strings(names) for names in sets]
