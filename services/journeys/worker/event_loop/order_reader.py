"""Order messages become orders on the event loop; one in Avro may need its schema from the registry first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import Final

from journeys.avro.schema import Schema, foreign
from journeys.avro.wire import unframe
from journeys.clock import Clock
from journeys.consumer.order_message import Format, OrderReader
from journeys.errors import SetupError
from journeys.model import Json, Order, OrderMessage
from journeys.worker.threads import in_daemon_thread

_PAUSES: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds between questions to a registry that does not answer; the last one repeats."""
_AT_ONCE: Final = 4
"""Questions to the registry at the same time; each takes a thread and a client."""
_REFUSED_FOR: Final = 60.0
"""Seconds after which an id that came to nothing may be asked for again."""
_REFUSED: Final = 1_000
"""Ids that came to nothing and are remembered, at most."""


class Orders:
    """Reads order messages. `schema_text` asks the registry, and may block: it runs in a thread.

    A registry that is down costs time: the message waits for it. One that does not know the schema settles it.
    `awaits` is told why orders wait for the registry, None once they do not.
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
        self._reader = OrderReader(
            account=account,
            order_format=order_format,
            pointer=pointer,
            decode_avro=self._schemas.decode,
            retry_topics=retry_topics,
        )

    async def read(self, message: OrderMessage) -> Order:
        """The order that a message asks for. Raises RejectedOrderError where it names none."""
        value = message.value or b""
        if self._format == "avro" or (self._format == "auto" and value[:1] == b"\x00"):
            await self._schemas.learn(value)
        return self._reader.read(message)


@dataclass(slots=True)
class _Lookup:
    """A question for one id, and how many wait for its answer."""

    task: asyncio.Task[None]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why an id came to nothing, and when."""

    why: str
    at: float


class Schemas:
    """The schemas that values were written by, on the event loop.

    `ask` raises ValueError where there is none to be had for an id, SetupError where that cannot be told yet: then it
    is asked again. However many wait for an id, there is one question at a time, which ends when nobody waits any more.
    """

    def __init__(
        self, ask: Callable[[int], Awaitable[Schema]], *, awaits: Callable[[str | None], object], clock: Clock
    ) -> None:
        self._ask = ask
        self._awaits = awaits
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._known: dict[int, Schema] = {}
        self._refused: dict[int, _Refusal] = {}
        self._lookups: dict[int, _Lookup] = {}
        self._unanswered: dict[int, str] = {}

    async def learn(self, value: bytes) -> None:
        """Wait until this value can be decoded, or it is known why not."""
        try:
            number, _ = unframe(value)
        except ValueError:  # nothing to be learnt, as decoding will say
            return
        while not self._is_settled(number):
            await self._answer(number)

    def decode(self, value: bytes) -> Json:
        """The datum of a value that was learnt just now. Raises ValueError where frame, schema or body is broken."""
        number, body = unframe(value)
        if (schema := self._known.get(number)) is None:
            raise ValueError(self._refused[number].why)
        return schema.decode(body)

    def _is_settled(self, number: int) -> bool:
        if number in self._known:
            return True
        refusal = self._refused.get(number)
        return refusal is not None and self._clock.monotonic() < refusal.at + _REFUSED_FOR

    async def _answer(self, number: int) -> None:
        """Wait with all others for the answer; the last one to give up ends the question."""
        lookup = self._lookups.get(number)
        if lookup is None or lookup.task.done():
            lookup = self._lookups[number] = _Lookup(asyncio.create_task(self._look_up(number)))
        lookup.waiting += 1
        try:
            await asyncio.shield(lookup.task)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting:
                lookup.task.cancel()
                if self._lookups.get(number) is lookup:
                    del self._lookups[number]

    async def _look_up(self, number: int) -> None:
        asked = 0
        try:
            while not await self._is_answered(number):
                await asyncio.sleep(_PAUSES[min(asked, len(_PAUSES) - 1)])
                asked += 1
        finally:
            if self._unanswered.pop(number, None) is not None:
                self._tell()

    async def _is_answered(self, number: int) -> bool:
        try:
            async with self._turns:
                self._known[number] = await self._ask(number)
        except ValueError as error:
            self._refuse(number, str(error))
        except SetupError as error:
            self._unanswered[number] = str(error)
            self._tell()
            return False
        return True

    def _refuse(self, number: int, why: str) -> None:
        self._refused.pop(number, None)
        self._refused[number] = _Refusal(why, self._clock.monotonic())
        if len(self._refused) > _REFUSED:
            del self._refused[next(iter(self._refused))]

    def _tell(self) -> None:
        self._awaits(next(iter(self._unanswered.values()), None))
