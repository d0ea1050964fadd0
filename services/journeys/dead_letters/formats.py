"""Letters as JSON. No I/O.

A key, value or header is `{"text": …}` if it is UTF-8, else `{"base64": …}`, and null if it is null. Any bytes survive
the round trip.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from journeys.clock import iso
from journeys.dead_letters.letters import Letter
from journeys.model import OrderMessage
from journeys.redact import HIDDEN, names_secret


def facts(letter: Letter) -> dict[str, Any]:
    """A letter without its key, value and headers."""
    return {
        "position": str(letter.position),
        "time": iso(letter.at_ms),
        "reason": letter.reason,
        "stage": letter.stage,
        "message": letter.text,
        "order": letter.order,
        "attempts": letter.attempts,
        "group": letter.group,
        "source": letter.source or letter.topic,
        "replays": letter.replays,
        "state": letter.state.value,
    }


def whole(letter: Letter, message: OrderMessage, *, hide_secrets: bool) -> dict[str, Any]:
    """A letter with its key, value and headers. `hide_secrets` hides headers whose names say that they are secret."""
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


def _hidden() -> dict[str, Any]:
    return {"value": {"text": HIDDEN}, "hidden": True}
