"""Writes the Python source of an encoder: one function for each record, array and map of a schema.

A record's function takes its fields out of a dict, turns each into one or two pieces, and joins these:

    def body2(datum):
        return record1(datum).encode('latin-1')

    def record1(datum):
        if datum.__class__ is not dict:
            raise TypeError
        if len(datum) != 3:
            datum = fill1(datum)
        v0, v1, v2 = take2(datum)
        if v0 is None:
            n0, v0 = NULL, ""
        elif …
        …
        return join((n0, v0, n1, v1, v2))

What nearly every value is stands spelt out in it: an ASCII text, a small number, null. The rest goes to `pieces`, but
for an ASCII text of `pieces.COMMON` characters or more: that raises IndexError. Names of fields do not occur in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from textwrap import indent
from typing import Any, Final

from journeys.model import Json
from journeys.producer.encoding import pieces

_SCALARS: Final = {"string", "long", "boolean"}
_RUNTIME: Final[Mapping[str, Any]] = {
    "NULL": pieces.NULL,
    "VALUE": pieces.VALUE,
    "END": pieces.END,
    "NUMBERS": pieces.NUMBERS,
    "SOME_NUMBERS": pieces.SOME_NUMBERS,
    "EVEN_PAIRS": pieces.PAIRS[::2],
    "PAIRS": pieces.PAIRS,
    "LAST": pieces.LAST,
    "long": pieces.long,
    "boolean": pieces.boolean,
    "string": pieces.string,
    "strings": pieces.strings,
    "sized": pieces.sized,
    "some_sized": pieces.some_sized,
    "join": "".join,
}

_DICT: Final = """\
if datum.__class__ is not dict:
    raise TypeError
if len(datum) != {fields}:
    datum = {fill}(datum)
"""
_STRING: Final = """\
if {v}.isascii():
    n{v} = NUMBERS[len({v})]
else:
    n{v}, {v} = sized({v})
"""
_NULLABLE_STRING: Final = """\
if {v} is None:
    n{v}, {v} = NULL, ""
elif {v}.isascii():
    n{v} = SOME_NUMBERS[len({v})]
else:
    n{v}, {v} = some_sized({v})
"""
_NULLABLE_LONG: Final = f"""\
if {{v}} is None:
    {{v}} = NULL
elif {{v}}.__class__ is int and 0 <= {{v}} < {pieces.COMMON}:
    {{v}} = SOME_NUMBERS[{{v}}]
else:
    {{v}} = VALUE + long({{v}})
"""
_IS_TIME: Final = (
    f"{{v}}.__class__ is int and {pieces.TIMES.start >> 13} <= (n := {{v}} >> 13) < {pieces.TIMES.stop >> 13}"
)
_TIME_PIECES: Final = "{{EVEN_PAIRS[{v} & 0x1FFF]}}{{PAIRS[n & 0x3FFF]}}{{LAST[n >> 14]}}"
_TIME: Final = f"""\
{{v}} = f"{_TIME_PIECES}" if {_IS_TIME} else {{piece}}
"""
_NULLABLE_TIME: Final = f"""\
if {{v}} is None:
    {{v}} = NULL
elif {_IS_TIME}:
    {{v}} = f"{{{{VALUE}}}}{_TIME_PIECES}"
else:
    {{v}} = VALUE + {{piece}}
"""
_NULLABLE: Final = """\
if {v} is None:
    {v} = NULL
else:
    {v} = VALUE + {piece}
"""
_ARRAY: Final = """\
{v} = {piece} if {v} or {v}.__class__ is not list else END
"""
_MAP: Final = """\
{v} = {piece} if {v} or {v}.__class__ is not dict else END
"""
_LONG: Final = f"""\
{{v}} = NUMBERS[{{v}}] if {{v}}.__class__ is int and 0 <= {{v}} < {pieces.COMMON} else {{piece}}
"""
_REQUIRED: Final = {"array": _ARRAY, "map": _MAP, "long": _LONG, "time": _TIME}
_SOME: Final = {"long": _NULLABLE_LONG, "time": _NULLABLE_TIME}
"""An empty array or map, as most are, a small number and a time of our days cost no call."""
_BLOCK: Final = """\
if values.__class__ is not {kind}:
    raise TypeError
if not values:
    return END
size = len(values)
return (NUMBERS[size] if size < {common} else long(size)) + join([{item}]) + END
"""


class Source:
    """The source of an encoder: functions that are run with `names`; that named `entry` is to be called.

    A field that its record does not know is noted in `odd`, or refused where there is no such list.
    """

    def __init__(self, title: str, *, odd: list[bool] | None = None) -> None:
        self._title = title
        self._odd = odd
        self._names: dict[str, Any] = {**_RUNTIME, "odd": odd}
        self._records: dict[str, str] = {}
        self._functions: list[str] = []
        self._made = 0
        self._entry = ""

    @cached_property
    def write(self) -> Callable[..., Any]:
        """The encoder, compiled when it is first asked for."""
        code = compile("\n\n".join(self._functions), f"<encoder of {self._title}>", "exec")
        exec(code, self._names)  # noqa: S102 - of our own making: it holds nothing of a schema but quoted names
        function: Callable[..., Any] = self._names[self._entry]
        return function

    def _name(self, what: str) -> str:
        self._made += 1
        return f"{what}{self._made}"

    def _define(self, name: str, arguments: str, body: str) -> str:
        self._functions.append(f"def {name}({arguments}):\n{indent(body, '    ')}")
        return name

    def _record(self, kind: Mapping[str, Any]) -> str:
        name = self._records[f"{kind['namespace']}.{kind['name']}"] = self._name("record")
        body = _DICT.format(fields=len(kind["fields"]), fill=self._fill(kind["fields"]))
        variables = {f"v{number}": field for number, field in enumerate(kind["fields"])}
        body += self._take({variable: field["name"] for variable, field in variables.items()})
        made: list[str] = []
        for variable, field in variables.items():
            body += self._statement(field["type"], variable)
            made += self._made_of(field["type"], variable)
        body += f"return join(({''.join(f'{piece}, ' for piece in made)}))\n"
        return self._define(name, "datum", body)

    def _take(self, fields: Mapping[str, str]) -> str:
        """The statement that gives each variable the field of its name."""
        if not fields:
            return ""
        name = self._name("take")
        self._names[name] = itemgetter(*fields.values())
        return f"{', '.join(fields)} = {name}(datum)\n"

    def _fill(self, fields: Sequence[Mapping[str, Any]]) -> str:
        name = self._name("fill")
        self._names[name] = _filling(fields, self._odd)
        return name

    def _statement(self, kind: Json, variable: str) -> str:
        """Turn the value of a variable into its pieces, which `_made_of` names."""
        if _strings(kind):
            return (_NULLABLE_STRING if isinstance(kind, list) else _STRING).format(v=variable)
        inner = _not_null(kind) if isinstance(kind, list) else kind
        name = "time" if _is_time(inner) else _plain(inner)
        template = _SOME.get(name, _NULLABLE) if isinstance(kind, list) else _REQUIRED.get(name, "{v} = {piece}\n")
        return template.format(v=variable, piece=self._piece(inner, variable))

    @staticmethod
    def _made_of(kind: Json, variable: str) -> list[str]:
        """A piece for the value, and before that of a text one for its size."""
        return [f"n{variable}", variable] if _strings(kind) else [variable]

    def _piece(self, kind: Json, value: str) -> str:
        """An expression for the piece of a value."""
        if isinstance(kind, list):
            return f"(NULL if {value} is None else VALUE + {self._piece(_not_null(kind), value)})"
        return f"{self._function(kind)}({value})"

    def _function(self, kind: Json) -> str:
        name = _plain(kind)
        if name in _SCALARS:
            return name
        if name == "record":
            return self._record(kind)
        if name == "array" and _plain(kind["items"]) == "string":
            return "strings"
        if name == "array":
            return self._block("list", f"{self._piece(kind['items'], 'value')} for value in values")
        if name == "map":
            item = f"string(key) + {self._piece(kind['values'], 'value')}"
            return self._block("dict", f"{item} for key, value in values.items()")
        if name not in self._records:
            raise ValueError(f"no encoder for the Avro type {name!r}")
        return self._records[name]

    def _block(self, kind: str, item: str) -> str:
        return self._define(self._name(kind), "values", _BLOCK.format(kind=kind, item=item, common=pieces.COMMON))


class Datum(Source):
    """The source of the encoder of one record's data. Raises ValueError for a type that is not known here.

    `schema` is self-contained.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(schema["name"])
        body = f"return {self._record(schema)}(datum).encode('latin-1')\n"
        self._entry = self._define(self._name("body"), "datum", body)


def _filling(fields: Sequence[Mapping[str, Any]], odd: list[bool] | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that gives a datum the fields of its record that it lacks: their defaults, else null.

    One that the record does not know is noted in `odd`, and not asked for; without such a list KeyError is raised.
    A field that must be there stays missing.
    """
    names = frozenset(field["name"] for field in fields)
    blank = {
        field["name"]: field.get("default") for field in fields if "default" in field or isinstance(field["type"], list)
    }

    def fill(datum: dict[str, Any]) -> dict[str, Any]:
        if not names.issuperset(datum):
            if odd is None:
                raise KeyError
            odd.append(True)
        return datum if datum.keys() >= names else {**blank, **datum}

    return fill


def _plain(kind: Json) -> str:
    """A type's name: of a logical type that of the type below, of a named one its full name."""
    return str(kind["type"] if isinstance(kind, dict) else kind)


def _is_time(kind: Json) -> bool:
    return isinstance(kind, dict) and kind.get("logicalType") == "timestamp-millis"


def _not_null(union: list[Json]) -> Json:
    if len(union) != 2 or union[0] != "null" or isinstance(union[1], list):
        raise ValueError(f"no encoder for a union of {len(union)} types: only null and another, in this order")
    return union[1]


def _strings(kind: Json) -> bool:
    return _plain(_not_null(kind) if isinstance(kind, list) else kind) == "string"
