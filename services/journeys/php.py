"""JSON as PHP writes it. The API's answers show that PHP makes them."""

from __future__ import annotations

import re
from typing import Any, Final

_INTEGER_KEY: Final = re.compile(r"-?[0-9]+", re.ASCII)


def as_list(value: Any) -> Any:
    """Return the items of an object whose keys are all integers, in their order; any other value as it is.

    `json_encode` writes an array like this once `array_filter` has left a gap in it.
    """
    if type(value) is dict and all(map(_INTEGER_KEY.fullmatch, value)):
        return [*value.values()]
    return value
