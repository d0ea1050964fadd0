"""The promise that a released schema makes: its fields stay as they are, in every later version.

FULL_TRANSITIVE, the registry's rule, promises only that values can be decoded. It lets a decimal change its scale, or a
timestamp its unit, and then every reader gets wrong values without an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Types = dict[str, dict[str, Any]]
"""Name → definition of a named type, as its file has it."""


def types_in(directory: Path) -> Types:
    """The types of a directory of `.avsc` files."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.avsc"))}


def broken_promises(released: Types, now: Types) -> list[str]:
    """The promises of released types that today's types break, one line each, with the field's path."""
    return [line for name, old in released.items() for line in _broken(name, old, now.get(name))]


def _broken(name: str, old: dict[str, Any], new: dict[str, Any] | None) -> Iterator[str]:
    if new is None or new["namespace"] != old["namespace"]:
        yield f"{name}: the type is gone"
        return
    types = {field["name"]: field["type"] for field in new["fields"]}
    for field in old["fields"]:
        path = f"{name}.{field['name']}"
        if field["name"] not in types:
            yield f"{path}: the field is gone"
        elif types[field["name"]] != field["type"]:
            yield f"{path}: {json.dumps(field['type'])} became {json.dumps(types[field['name']])}"
