"""Compares the JSON that a command prints with its table in docs/commands.md.

A row names a field by its path: `partitions[].oldest.order`. `*` stands for any name. An object has exactly the fields
of the table, apart from those that may be `absent`; one without a row for any field may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def described() -> set[str]:
    """The commands that have a section on the page, as a user types them."""
    return set(re.findall(r"^### (journeys .+)$", _text(), re.MULTILINE))


def fields(command: str) -> dict[str, set[str]]:
    """Path → the types that the table of this command allows."""
    [section] = re.findall(rf"^### {re.escape(command)}\n(.*?)(?=^#|\Z)", _text(), re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \| ", section, re.MULTILINE)
    return {path: set(types.split(" or ")) for path, types in rows}


def differences(command: str, value: Any) -> list[str]:
    """What in the output of a command is not as its table says."""
    return list(_differences(value, "", fields(command)))


def _differences(value: Any, path: str, known: dict[str, set[str]]) -> Iterator[str]:
    types = known.get(path, set())
    if "any" in types:
        return
    if path and (kind := _type(value)) not in types:
        yield f"{path} is {kind}"
    if isinstance(value, list):
        for item in value:
            yield from _differences(item, f"{path}[]", known)
    if isinstance(value, dict):
        before = f"{path}." if path else ""
        names = {found[0] for each in known if (found := re.findall(rf"^{re.escape(before)}([\w*-]+)$", each))}
        if path and not names:
            return
        if "*" in names:
            for item in value.values():
                yield from _differences(item, f"{before}*", known)
            return
        required = {name for name in names if "absent" not in known[before + name]}
        wrong = sorted((required - value.keys()) | (value.keys() - names))
        yield from (f"{before}{name} is only on one side" for name in wrong)
        for name in names & value.keys():
            yield from _differences(value[name], f"{before}{name}", known)


def _text() -> str:
    return PAGE.read_text(encoding="utf-8")


def _type(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "boolean", int: "integer", float: "number"}
    return "null" if value is None else kinds[type(value)]
