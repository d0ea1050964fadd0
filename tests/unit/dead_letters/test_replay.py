"""What a replay does with each outcome of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.worker_fakes import FakePublisher, Group

from journeys.dead_letters.letters import LetterReader, Marks
from journeys.dead_letters.plan import Plan, Routing, Shelf, Survey, plan
from journeys.dead_letters.replay import Replay
from journeys.dead_letters.store import LetterStore
from journeys.errors import HaltError, RejectedOrderError
from journeys.model import Order, OrderMessage, Position
from journeys.producer.publisher import Outcome, Result

COUNT = 10
BATCH = 4
ABORTED = Result(outcome=Outcome.ABORTED, reason="as told")
UNKNOWN = Result(outcome=Outcome.UNKNOWN, reason="no answer")
ROUTING = Routing(orders=("orders",), tiers=frozenset())


class FakeStore(LetterStore):
    """One partition of letters, and what the group has committed of it."""

    def __init__(self, group: Group) -> None:
        self.kept = group
        self.messages = [message(offset) for offset in range(COUNT)]

    def group_metadata(self) -> object:
        """Nothing that anybody looks at."""
        return None

    def marks(self, partition: int) -> Marks | None:
        """As committed."""
        found = self.kept.offsets.get(("dead", partition))
        return None if found is None else Marks.committed(*found)

    def read(self, partition: int, *, start: int, end: int) -> Iterator[OrderMessage]:
        """The letters from `start` on."""
        return (each for each in self.messages if start <= each.position.offset < end and partition == 0)


def message(offset: int) -> OrderMessage:
    """A letter; even ones have another reason."""
    return OrderMessage(
        position=Position(topic="dead", partition=0, offset=offset),
        key=None,
        value=str(offset).encode(),
        headers=(("error-reason", b"even" if offset % 2 == 0 else b"odd"), ("error-topic", b"orders")),
        timestamp_ms=offset,
    )


def whole_plan(messages: list[OrderMessage]) -> Plan:
    """All of them."""

    def unreadable(_message: OrderMessage) -> Order:
        raise RejectedOrderError("unreadable", reason="message-unreadable", stage="message")

    marks = Marks(watermark=0)
    reader = LetterReader(unreadable)
    return plan(
        Survey(
            shelves=(Shelf(partition=0, start=0, end=COUNT, marks=marks),),
            letters=tuple(reader.read(each, marks) for each in messages),
            offsets={0: range(COUNT)},
            unknown={},
            pending=COUNT,
        ),
        ROUTING,
        existing={"orders"},
        limit=None,
        forgotten=None,
        map_limit=4000,
        batch_size=BATCH,
    )


class Bench:
    """A replay of ten letters in batches of four, and what became of it."""

    def __init__(
        self, *answers: Result, takes_effect: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.group = Group()
        self.store = FakeStore(self.group)
        self.publisher = FakePublisher(self.group)
        self.publisher.answers.extend(answers)
        self.publisher.takes_effect = takes_effect
        self.pauses: list[float] = []
        self.progress: list[tuple[int, int]] = []
        self.replay = Replay(
            store=self.store,
            publisher=self.publisher,
            routing=ROUTING,
            map_limit=4000,
            batch_size=BATCH,
            on=lambda done, total: self.progress.append((done, total)),
            stopped=stopped,
            sleep=self.pauses.append,
        )

    def run(self) -> None:
        """To its end."""
        self.replay.run(whole_plan(self.store.messages))

    @property
    def sent(self) -> list[int]:
        """Letters that went out, in order."""
        return [int(record.value or b"") for record in self.group.records]


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize(
    "answers", [(), (ABORTED,), (UNKNOWN,), (ABORTED, UNKNOWN, ABORTED), (UNKNOWN, UNKNOWN)], ids=len
)
def test_every_letter_goes_out_once(answers: tuple[Result, ...], takes_effect: bool) -> None:
    """Whatever was aborted, and whatever an unknown outcome turns out to be."""
    bench = Bench(*answers, takes_effect=takes_effect)
    bench.run()
    assert bench.sent == list(range(COUNT))
    assert bench.replay.replayed == {"even": 5, "odd": 5}
    assert bench.progress[-1] == (COUNT, COUNT)
    assert bench.publisher.rebuilt == answers.count(UNKNOWN)
    assert bench.pauses == sorted(bench.pauses)


@pytest.mark.parametrize("answer", [ABORTED, UNKNOWN])
def test_what_is_never_committed_ends_the_replay(answer: Result) -> None:
    """With the reason, after growing pauses; what went out before is counted."""
    bench = Bench(Result(outcome=Outcome.COMMITTED), *[answer] * 20)
    with pytest.raises(HaltError, match=answer.reason):
        bench.run()
    assert bench.sent == list(range(BATCH))
    assert bench.replay.replayed.total() == BATCH
    assert 5 < sum(bench.pauses) < 30


def test_a_fenced_replay_gives_way() -> None:
    """It does not fence the other in its turn."""
    bench = Bench(Result(outcome=Outcome.UNKNOWN, reason="_FENCED", fenced=True))
    with pytest.raises(HaltError, match="another replay"):
        bench.run()
    assert (bench.sent, bench.publisher.rebuilt) == ([], 0)


def test_a_letter_that_kafka_does_not_take_is_named() -> None:
    """By its position, which a filter can pass over."""
    bench = Bench(Result(outcome=Outcome.ABORTED, reason="MSG_SIZE_TOO_LARGE", oversized=frozenset({1, 3})))
    with pytest.raises(HaltError, match=r"dead/0/1, dead/0/3.*max\.message\.bytes"):
        bench.run()


def test_a_broker_that_stays_away_leaves_the_last_batch_in_doubt() -> None:
    """And the error says so."""
    bench = Bench(UNKNOWN)
    bench.publisher.is_reachable = False
    with pytest.raises(HaltError, match="the last 4 letters"):
        bench.run()


def test_a_replay_that_is_stopped_sends_no_further_batch() -> None:
    """What went out is committed; the rest is pending."""
    bench = Bench(stopped=lambda: bool(bench.group.records))
    with pytest.raises(HaltError, match="stopped"):
        bench.run()
    assert bench.sent == list(range(BATCH))
    assert bench.group.offsets["dead", 0] == (BATCH, "")
