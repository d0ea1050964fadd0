from collections.abc import Callable, Mapping, Sequence
from typing import Any

from journeys.model import Json
from journeys.producer.encoding.fields import Written
from journeys.producer.encoding.record_type import Common, EventRecordType

class Datum:
    def __init__(self, schema: Mapping[str, Any]) -> None: ...
    def write(self, datum: Mapping[str, Any]) -> bytes: ...

class EventEncoder:
    def __init__(
        self, record_types: Sequence[EventRecordType], type_of: Callable[[str | None], EventRecordType]
    ) -> None: ...
    def write(self, items: tuple[Json, ...], common: Common) -> Written: ...
