"""Hide secrets: tell secret settings by their name, and remove secrets from text. No I/O."""

from __future__ import annotations

import re

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api[-_.]?key|authorization|credential|cookie|private|jaas"
    r"|key[-_.]pem|user[-_.]info|oauthbearer[-_.]config|assertion[-_.](file|private)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<=sasl\.oauthbearer\.config beginning at: ).*", re.DOTALL)  # librdkafka quotes the secret here
_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")  # up to the last @: a password may wrongly hold an @


def names_secret(name: str) -> bool:
    """Return whether a setting, header or log field of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def without_credentials(text: str) -> str:
    """Return `text` without the user info of URLs (`http://***@host`) and without secrets that librdkafka quotes."""
    if "@" in text:
        text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _QUOTED.sub(HIDDEN, text) if "oauthbearer" in text else text
