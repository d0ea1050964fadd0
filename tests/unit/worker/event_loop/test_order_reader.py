"""Order messages in Avro: when the registry is asked for their schemas, and what waits for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.virtual_time import VirtualLoop, run

from journeys.avro.schema import Schema
from journeys.avro.wire import frame
from journeys.errors import RejectedOrderError, SetupError
from journeys.model import OrderMessage, Position
from journeys.worker.event_loop.order_reader import OrderReader, Schemas

TEXT = Schema("string")
DOWN = SetupError("the schema registry cannot be asked")
UNKNOWN = ValueError("the registry knows no such schema")


def value(number: int) -> bytes:
    """An order id, written by the schema of this id."""
    return frame(number, TEXT.encode("A-1"))


class Registry:
    """Answers with what the test says, after that with one schema for all ids; in virtual time."""

    seconds = 1.0

    def __init__(self, loop: VirtualLoop, *answers: Schema | Exception) -> None:
        self._answers = list(answers)
        self.asked: Counter[int] = Counter()
        self.at: list[float] = []
        self.busy = self.busiest = 0
        self.reported: list[str | None] = []
        self._loop = loop
        self.schemas = Schemas(self.ask, awaits=self.reported.append, clock=loop.clock)

    async def ask(self, number: int) -> Schema:
        """The next answer."""
        self.asked[number] += 1
        self.at.append(self._loop.time())
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.busy -= 1
        answer = self._answers.pop(0) if self._answers else TEXT
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, number: int) -> object:
        """The order id in a value of this schema."""
        await self.schemas.learn(value(number))
        return self.schemas.decode(value(number))


def with_registry(use: Callable[[Registry], Coroutine[Any, Any, None]], *answers: Schema | Exception) -> Registry:
    """A registry that gives these answers, after it was used so."""

    async def main(loop: VirtualLoop) -> Registry:
        registry = Registry(loop, *answers)
        await use(registry)
        return registry

    return run(main)


@pytest.mark.parametrize("answer", [TEXT, UNKNOWN], ids=["known", "unknown"])
def test_schema_is_asked_for_once_however_many_orders_wait(answer: Schema | Exception) -> None:
    """All of a burst get the one answer, and so do those that come later."""

    async def use(registry: Registry) -> None:
        first = await asyncio.gather(*(registry.read(7) for _ in range(256)), return_exceptions=True)
        later = await asyncio.gather(registry.read(7), return_exceptions=True)
        assert {str(one) for one in [*first, *later]} == {"A-1" if answer is TEXT else str(UNKNOWN)}

    assert with_registry(use, answer).asked == {7: 1}


def test_schema_lookups_are_bounded() -> None:
    """Each question takes a thread; garbage may name any number of ids."""

    async def use(registry: Registry) -> None:
        assert await asyncio.gather(*(registry.read(number) for number in range(50))) == ["A-1"] * 50

    assert with_registry(use).busiest == 4


def test_unknown_schema_is_asked_for_again_after_a_minute() -> None:
    """It may have been registered meanwhile."""

    async def use(registry: Registry) -> None:
        for pause in (59.0, 2.0):
            with pytest.raises(ValueError, match="no such schema"):
                await registry.read(7)
            await asyncio.sleep(pause)
        assert await registry.read(7) == "A-1"

    assert with_registry(use, UNKNOWN).at == [0, 62]


def test_remembered_unknown_schemas_are_bounded() -> None:
    """The oldest is forgotten first."""

    async def use(registry: Registry) -> None:
        registry.seconds = 0
        for number in [*range(1, 1002), 2, 1]:
            await registry.schemas.learn(value(number))

    assert with_registry(use, *[UNKNOWN] * 1002).asked == {**dict.fromkeys(range(2, 1002), 1), 1: 2}


def test_orders_wait_for_a_silent_registry() -> None:
    """It is asked with growing pauses; the worker reports why they wait, and that they no longer do."""

    async def use(registry: Registry) -> None:
        assert await asyncio.gather(*(registry.read(7) for _ in range(3))) == ["A-1"] * 3

    registry = with_registry(use, *[DOWN] * 5)
    assert registry.at == [0, 1.5, 3.5, 6.5, 12.5, 18.5]
    assert registry.reported == [str(DOWN)] * 5 + [None]


def test_cancelled_lookup_passes_to_the_next_order() -> None:
    """The order that asked first is cancelled; one of those that wait asks instead, at once."""

    async def use(registry: Registry) -> None:
        orders = [asyncio.create_task(registry.read(7)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for order in orders[:2]:
            order.cancel()
        assert await orders[2] == "A-1"

    registry = with_registry(use)
    assert (registry.asked, registry.at, registry.busiest) == ({7: 2}, [0, 0.5], 1)


def test_lookup_ends_with_the_last_order_that_waits() -> None:
    """The worker reports that none waits any more; the next order asks anew, also at the same moment."""

    async def use(registry: Registry) -> None:
        orders = [asyncio.create_task(registry.read(7)) for _ in range(3)]
        await asyncio.sleep(1.25)
        for order in orders:
            order.cancel()
        await asyncio.wait(orders)
        assert await registry.read(7) == "A-1"
        assert registry.reported == [str(DOWN), None]

    assert with_registry(use, DOWN).at == [0, 1.25]


def reader(schema_text: Callable[[int], str]) -> OrderReader:
    """A reader with a registry that is asked in a thread."""
    return OrderReader(
        account="default",
        order_format="auto",
        pointer="/order_id",
        schema_text=schema_text,
        retry_topics=(),
        awaits=lambda _: None,
    )


def message_of(value: bytes) -> OrderMessage:
    """An order message with this value."""
    position = Position(topic="orders", partition=0, offset=1)
    return OrderMessage(position=position, key=None, value=value, headers=(), timestamp_ms=None)


def read(message: bytes, schema_text: Callable[[int], str]) -> str:
    """The order id of a message."""
    return asyncio.run(reader(schema_text).read(message_of(message))).order_id


def test_order_id_is_known_at_once_except_without_its_schema() -> None:
    """People may ask which order is the oldest before the registry has answered."""
    orders = reader({7: '"string"'}.__getitem__)
    found = [orders.order_id(message_of(each)) for each in (b"A-1", b'{"order_id": 7}', b"{}", value(7))]
    assert found == ["A-1", "7", None, None]
    asyncio.run(orders.read(message_of(value(7))))
    assert orders.order_id(message_of(value(7))) == "A-1"


def test_avro_order_is_read_by_its_writer_schema() -> None:
    """The registry is asked for the id in the frame."""
    assert read(value(7), {7: '"string"'}.__getitem__) == "A-1"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\x00\x00", "too few"),
        (b"\x00\xff\xff\xff\xff\x02a", "no schema id"),
        (value(8), "knows no schema 8"),
        (value(9), "holds itself"),
    ],
    ids=["no frame", "no id", "unknown", "unsafe"],
)
def test_unreadable_avro_order_is_rejected(message: bytes, why: str) -> None:
    """Each becomes a dead letter, none an error of another kind."""

    def schema_text(number: int) -> str:
        if number == 8:
            raise ValueError("the registry knows no schema 8")
        return '{"type": "record", "name": "R", "fields": [{"name": "next", "type": ["null", "R"]}]}'

    with pytest.raises(RejectedOrderError, match=why) as refused:
        read(message, schema_text)
    assert refused.value.reason == "message-unreadable"
