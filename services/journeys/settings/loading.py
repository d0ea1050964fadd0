"""Read settings from the environment and a TOML file. The environment beats the file, the file beats the defaults.

    JOURNEYS_KAFKA__GROUP_ID=journeys          [kafka]
                                               group_id = "journeys"

In the environment, an object is JSON and a list is JSON or `a,b`; an empty value counts as not set. One SettingsError
reports all problems at once, each under the name that the user wrote. pydantic-settings does not fit: it stops at the
first value that it cannot parse, ignores unknown groups, and does not report the source of a value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from journeys.errors import SettingsError
from journeys.settings.model import Settings

PREFIX = "JOURNEYS_"
CONFIG_VARIABLE = "JOURNEYS_CONFIG"

_NOT_SETTINGS = re.compile(
    # Kubernetes sets these for every Service of the namespace whose name starts with `journeys`.
    r"(?!.*__)JOURNEYS_([A-Z0-9_]+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
    r"|JOURNEYS_SANDBOX_[A-Z0-9_]+"  # of the demo and the tests
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings and the source of each value: `kafka.group_id` → `env` or `file`; defaults have none."""

    settings: Settings
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    value: Any
    source: str
    label: str
    """The setting as the user wrote it."""


@dataclass(slots=True)
class _Found:
    given: dict[str, _Given] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def load(config_file: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of `environ` and of a TOML file: `config_file`, else the one that JOURNEYS_CONFIG names.

    Raises SettingsError with every problem.
    """
    return load_with_sources(config_file, environ).settings


def load_with_sources(config_file: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Like `load`, with the source of each value."""
    found = _Found()
    path = config_file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if path is not None:
        _read_file(path, found)
    _read_environment(environ, found)
    settings = _validated(found)
    if settings is None or found.problems:
        raise SettingsError(found.problems)
    return Loaded(settings=settings, sources={name: given.source for name, given in found.given.items()})


def setting_names() -> Iterator[tuple[str, str, Any]]:
    """Yield group, name and pydantic's FieldInfo of every setting, in the order of the model."""
    for group, holder in Settings.model_fields.items():
        model = holder.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"the settings group {group} is not a model")
        for name, info in model.model_fields.items():
            yield group, name, info


def env_name(group: str, name: str) -> str:
    """`kafka`, `group_id` → `JOURNEYS_KAFKA__GROUP_ID`."""
    return f"{PREFIX}{group}__{name}".upper()


def _read_file(path: Path, found: _Found) -> None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found.problems.append((str(path), f"cannot be read: {error.strerror}"))
        return
    except (ValueError, RecursionError) as error:
        found.problems.append((str(path), _fault(error)))
        return
    known = [f"{group}.{name}" for group, name, _ in setting_names()]
    groups = list(Settings.model_fields)
    for group, table in document.items():
        if group not in groups:
            found.problems.append((f"{group} in {path}", _unknown("group", group, groups)))
        elif not isinstance(table, dict):
            found.problems.append((f"{group} in {path}", f"must be a table: [{group}]"))
        else:
            _read_table(path, group, table, known, found)


def _read_table(path: Path, group: str, table: Mapping[str, Any], known: list[str], found: _Found) -> None:
    for name, value in table.items():
        key = f"{group}.{name}"
        label = f"{key} in {path}"
        if key in known:
            found.given[key] = _Given(value=value, source="file", label=label)
        else:
            found.problems.append((label, _unknown("setting", key, known)))


def _read_environment(environ: Mapping[str, str], found: _Found) -> None:
    known = {env_name(group, name): (f"{group}.{name}", info) for group, name, info in setting_names()}
    for variable in sorted(environ):
        text = environ[variable]
        if not variable.upper().startswith(PREFIX) or variable == CONFIG_VARIABLE or _NOT_SETTINGS.fullmatch(variable):
            continue
        if variable not in known:
            found.problems.append((variable, _unknown("setting", variable, [*known, CONFIG_VARIABLE])))
        elif text:
            key, info = known[variable]
            try:
                value = _decoded(text, get_origin(info.annotation))
            except (ValueError, RecursionError) as error:
                found.problems.append((variable, _fault(error)))
                found.given.pop(key, None)
            else:
                found.given[key] = _Given(value=value, source="env", label=variable)


def _decoded(text: str, origin: Any) -> Any:
    """Decode the text of a variable, depending on the type of its setting."""
    if origin is dict or (origin is tuple and text.lstrip().startswith("[")):
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # refuses half of a surrogate pair, which JSON allows
        return value
    if origin is tuple:
        return [part.strip() for part in text.split(",")]
    return text


def _validated(found: _Found) -> Settings | None:
    nested: dict[str, dict[str, Any]] = {}
    for key, given in found.given.items():
        group, name = key.split(".")
        nested.setdefault(group, {})[name] = given.value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found.problems.extend(_problem(detail, found) for detail in details)
        return None


def _problem(detail: ErrorDetails, found: _Found) -> tuple[str, str]:
    """Return the setting and what is wrong with it, never the value: it may be a secret."""
    location = [f"item {part + 1}" if isinstance(part, int) else part for part in detail["loc"]]
    key = detail.get("ctx", {}).get("setting") or ".".join(location[:2])
    given = found.given.get(key)
    label = given.label if given else env_name(*key.split("."))
    inside = [part for part in location[2:] if part not in {"str", "int", "float", "bool"}]
    text = re.sub(r"^(Value error, |Input )", "", detail["msg"])
    return label, f"{'.'.join(inside)}: {text}" if inside else text


def _unknown(noun: str, name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name.upper(), [candidate.upper() for candidate in known], n=1)
    hint = next((candidate for candidate in known if [candidate.upper()] == nearest), None)
    return f"no such {noun}" + (f"; did you mean {hint}?" if hint else "")


def _fault(error: ValueError | RecursionError) -> str:
    """Describe why a text could not be read, without quoting it: it may hold a secret."""
    match error:
        case json.JSONDecodeError():
            return f"is not JSON (line {error.lineno}, column {error.colno})"
        case tomllib.TOMLDecodeError():
            return f"is not TOML: {_place(str(error))}"
        case UnicodeDecodeError():
            return "is not UTF-8"
        case UnicodeEncodeError():
            return "holds half of a surrogate pair"
        case RecursionError():
            return "is nested too deeply"
        case _:
            return "holds a number of too many digits"


def _place(text: str) -> str:
    """Return only the place of a TOML error: the rest may quote the file, and so a secret."""
    match = re.search(r"at (line \d+, column \d+|end of document)", text)
    return match[0] if match else "at an unknown place"
