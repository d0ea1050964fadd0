"""Every setting as people see it: its value without secrets, its source, and its meaning. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from journeys.redact import HIDDEN, names_secret, without_credentials
from journeys.settings.loading import env_name, setting_names
from journeys.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting as it is shown. `value` and `default` are plain JSON values without secrets."""

    variable: str
    key: str
    value: Any
    effective: Any
    default: Any
    source: str
    description: str


def rows_of(settings: Settings, sources: Mapping[str, str]) -> Iterator[Row]:
    """Every setting; `sources` as `Loaded` has them."""
    values = settings.model_dump(mode="json")
    defaults = Settings().model_dump(mode="json")
    autos = settings.autos
    for group, name, info in setting_names():
        key = f"{group}.{name}"
        value = _shown(name, values[group][name])
        yield Row(
            variable=env_name(group, name),
            key=key,
            value=value,
            effective=autos.get(key, value),
            default=_shown(name, defaults[group][name]),
            source=sources.get(key, "default"),
            description=" ".join((info.description or "").split()),
        )


def _shown(name: str, value: Any) -> Any:
    """The value with its secrets hidden: a whole secret, an entry of a table, or the password of an address."""
    if isinstance(value, Mapping):
        return {key: _shown(str(key), item) for key, item in value.items()}
    if isinstance(value, str):
        return HIDDEN if _is_secret(name, value) else without_credentials(value)
    return value


def _is_secret(name: str, value: str) -> bool:
    if name.endswith("_file"):  # the path of a secret
        return False
    return name == "key" or names_secret(name) or set(value) == {"*"}
