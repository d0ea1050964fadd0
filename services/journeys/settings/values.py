"""Parse and format durations, sizes and names in settings: `30s`, `64MiB`, `orders.completed`. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)
_SIZE = re.compile(r"(\d+)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_LONGEST = 36_500 * 86_400
"""A century in seconds: safe to convert to milliseconds and to add to the present time."""
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_TIER = re.compile(r"[1-9]\d*[smhd]", re.ASCII)


def parse_duration(value: Any) -> float:
    """Return the seconds of a number (which is seconds) or of text such as `500ms`, `30s`, `1.5m`, `2h`, `7d`.

    Raises ValueError for anything else.
    """
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        raise ValueError("must be a duration such as 500ms, 30s, 1m, 2h or 7d")
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"must be a duration of 0 to {format_duration(_LONGEST)}")
    return float(seconds)


def parse_time(text: str, *, now_ms: int) -> int:
    """Milliseconds since the epoch of an ISO time (UTC if it names no zone), or of an age such as `2h`.

    Raises ValueError for any other text.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    try:
        return now_ms - round(parse_duration(text) * 1000)
    except ValueError:
        raise ValueError("must be a time such as 2026-11-25T10:00Z, or an age such as 2h") from None


def format_duration(seconds: float) -> str:
    """Return the shortest whole-number form: 90.0 → `90s`, 60.0 → `1m`, 0.1 → `100ms`."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    millis = seconds * 1000
    return f"{round(millis)}ms" if millis >= 1 and math.isclose(millis, round(millis)) else f"{seconds:g}s"


def parse_rate(value: Any) -> float:
    """Return requests per second, a number of 0 or more. Raises ValueError for anything else."""
    try:
        rate = float(value)
    except (TypeError, ValueError, OverflowError):
        rate = -1.0
    if isinstance(value, bool) or rate < 0 or not math.isfinite(rate):
        raise ValueError("must be a number of 0 or more, or auto")
    return rate


def _or_auto(parse: Callable[[Any], float]) -> Callable[[Any], float | None]:
    return lambda value: None if value is None or value == "auto" else parse(value)


def _shown(format_value: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "auto" if value is None else format_value(value)


def parse_size(value: Any) -> int:
    """Return the bytes of an integer or of text such as `512KiB`, `1GB`. Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError("must be a size such as 4096, 512KiB, 64MiB or 1GiB")
    return int(match[1]) * _BYTES[match[2].lower()]


def format_size(size: int) -> str:
    """Return the size in the largest binary unit that gives a whole number: 67108864 → `64MiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit.lower()] == 0:
            return f"{size // _BYTES[unit.lower()]}{unit}"
    return str(size)


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value) or value in {".", ".."}:
        raise ValueError("must be a topic name: letters, digits, '.', '_' and '-', at most 249")
    return value


def _tier(value: str) -> str:
    if not _TIER.fullmatch(value):
        raise ValueError("must be a whole number and a unit (s, m, h or d), such as 10m")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or any(character.isspace() for character in value):
        raise ValueError("must be an http:// or https:// address without query or fragment")
    return value.rstrip("/")


def _brokers(value: str) -> str:
    if "http://" in value or "https://" in value:  # librdkafka itself takes SASL_SSL:// and its like
        raise ValueError("must be host:port,… without http://: the brokers of Kafka speak no HTTP")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""Seconds."""
AutoDuration = Annotated[
    float | None, BeforeValidator(_or_auto(parse_duration)), PlainSerializer(_shown(format_duration))
]
"""Seconds; None is `auto`."""
AutoRate = Annotated[float | None, BeforeValidator(_or_auto(parse_rate)), PlainSerializer(_shown("{:g}".format))]
"""Requests per second; None is `auto`."""
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size)]
"""Bytes."""
Brokers = Annotated[str, AfterValidator(_brokers)]
TopicName = Annotated[str, AfterValidator(_topic)]
TierName = Annotated[str, AfterValidator(_tier)]
"""A delay that is also the last part of a topic name."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""An HTTP address without a slash at its end."""
