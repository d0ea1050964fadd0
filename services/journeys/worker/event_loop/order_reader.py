"""Reads order messages on the event loop. A message in Avro may need its schema from the registry first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from itertools import chain, repeat
from typing import Final
from weakref import WeakValueDictionary

from journeys.avro.schema import Schema, foreign
from journeys.avro.wire import unframe
from journeys.clock import Clock
from journeys.consumer.order_message import Format, OrderMessageReader
from journeys.errors import RejectedOrderError, SetupError
from journeys.model import Json, Order, OrderMessage
from journeys.worker.threads import in_daemon_thread

_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0)
"""The pauses between lookups at a registry that does not answer; the last one repeats."""
_AT_ONCE: Final = 4
"""Lookups at the same time; each takes a thread and a client."""
_REFUSED_FOR_S: Final = 60.0
"""The time after which an unknown id may be looked up again."""
_MAX_REFUSED: Final = 1_000
"""Unknown ids that are remembered, at most."""


class OrderReader:
    """Reads order messages. `schema_text` asks the registry for a schema, and may block: it runs in a thread.

    A message waits for a registry that is down. If the registry does not know the schema, the message is refused.
    `awaits` is called with the reason why orders wait for the registry, and with None when they wait no longer.
    """

    def __init__(
        self,
        *,
        account: str,
        order_format: Format,
        pointer: str,
        schema_text: Callable[[int], str],
        retry_topics: Container[str],
        awaits: Callable[[str | None], object],
        clock: Clock | None = None,
    ) -> None:
        self._format = order_format
        self._schemas = Schemas(
            lambda number: in_daemon_thread(lambda: foreign(schema_text(number)), name="order-schema"),
            awaits=awaits,
            clock=clock or Clock(),
        )
        self._reader = OrderMessageReader(
            account=account,
            order_format=order_format,
            pointer=pointer,
            decode_avro=self._schemas.decode,
            retry_topics=retry_topics,
        )

    async def read(self, message: OrderMessage) -> Order:
        """The order that a message asks for. Raises RejectedOrderError if it names none."""
        value = message.value or b""
        if self._format == "avro" or (self._format == "auto" and value[:1] == b"\x00"):
            await self._schemas.learn(value)
        return self._reader.read(message)

    def order_id(self, message: OrderMessage) -> str | None:
        """The id that a message asks for, at once; None if it names none, or if its schema is not known yet."""
        try:
            return self._reader.read(message).order_id
        except (RejectedOrderError, KeyError):
            return None


class Schemas:
    """The writer schemas of values in Avro, on the event loop.

    `ask` raises ValueError if there is no usable schema for an id, and SetupError if the registry does not answer: then
    it is asked again. One order at a time asks for an id. If it is cancelled, the next one that waits asks.
    """

    def __init__(
        self, ask: Callable[[int], Awaitable[Schema]], *, awaits: Callable[[str | None], object], clock: Clock
    ) -> None:
        self._ask = ask
        self._awaits = awaits
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._known: dict[int, Schema] = {}
        self._refused: dict[int, tuple[str, float]] = {}  # why, and until when
        self._unanswered: dict[int, str] = {}

    async def learn(self, value: bytes) -> None:
        """Wait until this value can be decoded, or until the reason why not is known."""
        try:
            number, _ = unframe(value)
        except ValueError:  # no schema can help: `decode` raises the reason
            return
        async with self._locks.setdefault(number, asyncio.Lock()):
            if not self._is_settled(number):
                await self._look_up(number)

    def decode(self, value: bytes) -> Json:
        """The datum of a value after `learn`. Raises ValueError for a broken frame, schema or body.

        Raises KeyError before `learn`, for a schema that is not known.
        """
        number, body = unframe(value)
        if (schema := self._known.get(number)) is None:
            raise ValueError(self._refused[number][0])
        return schema.decode(body)

    def _is_settled(self, number: int) -> bool:
        return number in self._known or self._clock.monotonic() < self._refused.get(number, ("", 0.0))[1]

    async def _look_up(self, number: int) -> None:
        try:
            for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
                if await self._is_answered(number):
                    return
                await asyncio.sleep(pause_s)
        finally:
            if self._unanswered.pop(number, None) is not None:
                self._report()

    async def _is_answered(self, number: int) -> bool:
        try:
            async with self._turns:
                self._known[number] = await self._ask(number)
        except ValueError as error:
            self._refused.pop(number, None)  # the newest stands last
            self._refused[number] = str(error), self._clock.monotonic() + _REFUSED_FOR_S
            if len(self._refused) > _MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
        except SetupError as error:
            self._unanswered[number] = str(error)
            self._report()
            return False
        return True

    def _report(self) -> None:
        self._awaits(next(iter(self._unanswered.values()), None))
