"""Letters as JSON. Pure.

A key, value or header is `{"text": …}` where it is UTF-8, else `{"base64": …}`, and null where it is null: nothing is
lost either way.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from journeys.dead_letters.letters import Letter
from journeys.model import OrderMessage
from journeys.redact import HIDDEN, names_secret


def facts(letter: Letter) -> dict[str, Any]:
    """What is told of a letter, without its content."""
    return {
        "position": str(letter.position),
        "time": iso(letter.at_ms),
        "reason": letter.reason,
        "stage": letter.stage,
        "message": letter.text,
        "order": letter.order,
        "attempts": letter.attempts,
        "source": letter.source or letter.topic,
        "replays": letter.replays,
        "state": letter.state.value,
    }


def whole(letter: Letter, message: OrderMessage, *, hide_secrets: bool) -> dict[str, Any]:
    """Everything about a letter. `hide_secrets` leaves out the values of headers whose name says they are secret."""
    return {
        **facts(letter),
        "timestamp_ms": message.timestamp_ms,
        "key": content(message.key),
        "value": content(message.value),
        "headers": [
            {"name": name, **(_hidden() if hide_secrets and names_secret(name) else {"value": content(value)})}
            for name, value in message.headers
        ],
    }


def content(data: bytes | None) -> dict[str, str] | None:
    """Bytes as JSON."""
    if data is None:
        return None
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def data_of(form: dict[str, str] | None) -> bytes | None:
    """What `content` was made of. Raises ValueError where it is neither of its forms."""
    if form is None:
        return None
    if "text" in form:
        return form["text"].encode()
    if "base64" in form:
        return b64decode(form["base64"], validate=True)
    raise ValueError("neither text nor base64")


def iso(at_ms: int | None) -> str | None:
    """A time as ISO 8601 in UTC, with milliseconds: `2026-11-25T10:00:00.000Z`; None where it is none."""
    if at_ms is None:
        return None
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hidden() -> dict[str, Any]:
    return {"value": {"text": HIDDEN}, "hidden": True}
