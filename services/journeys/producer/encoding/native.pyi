from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from journeys.model import Json, Record
from journeys.producer.encoding.fields import Step
from journeys.producer.encoding.record_type import Common, EventKind
from journeys.producer.encoding.straight import KindOf, Written

class Datum:
    def __init__(self, schema: Mapping[str, Any]) -> None: ...
    def write(self, datum: Mapping[str, Any]) -> bytes: ...

class Event:
    def __init__(self, steps: Sequence[Step], header: bytes, actions: Sequence[str], zone: tzinfo) -> None: ...
    def write(self, event: dict[str, Any], position: int, *given: str) -> tuple[bytes, int | None]: ...

class Straight:
    def __init__(
        self,
        kinds: Sequence[EventKind],
        kind_of: KindOf,
        *,
        record: Callable[..., Record],
        written: Callable[..., Written],
        inexact: tuple[type[Exception], ...],
    ) -> None: ...
    def write(self, items: tuple[Json, ...], common: Common) -> Written: ...
