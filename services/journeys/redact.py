"""What must never be shown: which names hold secrets, and text with the secrets taken out. Pure."""

from __future__ import annotations

import re

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api[-_.]?key|authorization|credential|cookie|private|jaas"
    r"|key[-_.]pem|user[-_.]info|oauthbearer[-_.]config|assertion[-_.](file|private)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<=sasl\.oauthbearer\.config beginning at: ).*", re.DOTALL)  # librdkafka does, from there on
_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")  # up to the last @: a password may hold one, if it should not


def names_secret(name: str) -> bool:
    """Whether a setting, header or log field of this name holds something secret."""
    return _SECRET_NAME.search(name) is not None


def without_credentials(text: str) -> str:
    """`text` with the user info of every URL in it hidden, `http://***@host`, and a secret that librdkafka quotes."""
    if "@" in text:
        text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _QUOTED.sub(HIDDEN, text) if "oauthbearer" in text else text
