"""A replay after each outcome of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.worker_fakes import FakePublisher, Group

from journeys.dead_letters.letters import ReplayedOffsets, read_letter
from journeys.dead_letters.plan import ReplayPlan, Targets, plan_replay
from journeys.dead_letters.replay import Replay
from journeys.dead_letters.scan import PartitionScan, Scan
from journeys.dead_letters.topic import DeadLetterTopic
from journeys.errors import HaltError
from journeys.model import OrderMessage, Position
from journeys.producer.publisher import Outcome, Result

COUNT = 10
BATCH = 4
ABORTED = Result(outcome=Outcome.ABORTED, reason="as scripted")
UNKNOWN = Result(outcome=Outcome.UNKNOWN, reason="no answer")
TARGETS = Targets(orders=("orders",), tiers=frozenset())


class FakeTopic(DeadLetterTopic):
    """One partition of letters, and what the group has committed of it."""

    def __init__(self, group: Group) -> None:
        self.kept = group
        self.messages = [message(offset) for offset in range(COUNT)]

    def group_metadata(self) -> object:
        """No test looks at it."""
        return None

    def replayed(self, partition: int) -> ReplayedOffsets | None:
        """As the group committed it."""
        found = self.kept.offsets.get(("dead", partition))
        return None if found is None else ReplayedOffsets.of(*found)

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


def whole_plan(messages: list[OrderMessage]) -> ReplayPlan:
    """A plan for all letters."""
    replayed = ReplayedOffsets(watermark=0)
    return plan_replay(
        Scan(
            partitions=(PartitionScan(partition=0, start=0, end=COUNT, replayed=replayed, offsets=range(COUNT)),),
            letters=tuple(read_letter(each, replayed, order=None) for each in messages),
            pending=COUNT,
        ),
        TARGETS,
        existing={"orders"},
        limit=None,
        forgotten=None,
        map_limit=4000,
        batch_size=BATCH,
    )


class Bench:
    """A replay of ten letters in batches of four, and its result."""

    def __init__(
        self, *answers: Result, takes_effect: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.group = Group()
        self.letters = FakeTopic(self.group)
        self.publisher = FakePublisher(self.group)
        self.publisher.answers.extend(answers)
        self.publisher.takes_effect = takes_effect
        self.pauses: list[float] = []
        self.progress: list[tuple[int, int]] = []
        self.replay = Replay(
            letters=self.letters,
            publisher=self.publisher,
            targets=TARGETS,
            map_limit=4000,
            batch_size=BATCH,
            on=lambda done, total: self.progress.append((done, total)),
            stopped=stopped,
            sleep=self.pauses.append,
        )

    def run(self) -> None:
        """Replay all letters."""
        self.replay.run(whole_plan(self.letters.messages))

    @property
    def sent(self) -> list[int]:
        """Letters that went out, in order."""
        return [int(record.value or b"") for record in self.group.records]


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize(
    "answers", [(), (ABORTED,), (UNKNOWN,), (ABORTED, UNKNOWN, ABORTED), (UNKNOWN, UNKNOWN)], ids=len
)
def test_aborts_and_unknown_outcomes_send_each_letter_once(answers: tuple[Result, ...], takes_effect: bool) -> None:
    """An unknown outcome may turn out to be committed or aborted."""
    bench = Bench(*answers, takes_effect=takes_effect)
    bench.run()
    assert bench.sent == list(range(COUNT))
    assert bench.replay.replayed == {"even": 5, "odd": 5}
    assert bench.progress[-1] == (COUNT, COUNT)
    assert bench.publisher.rebuilt == answers.count(UNKNOWN)
    assert bench.pauses == sorted(bench.pauses)


@pytest.mark.parametrize("answer", [ABORTED, UNKNOWN])
def test_replay_ends_after_too_many_failed_transactions(answer: Result) -> None:
    """The error gives the reason, the pauses grow, and letters sent before are counted."""
    bench = Bench(Result(outcome=Outcome.COMMITTED), *[answer] * 20)
    with pytest.raises(HaltError, match=answer.reason):
        bench.run()
    assert bench.sent == list(range(BATCH))
    assert bench.replay.replayed.total() == BATCH
    assert 5 < sum(bench.pauses) < 30


def test_fenced_replay_ends() -> None:
    """It makes no new producer, which would fence the other replay."""
    bench = Bench(Result(outcome=Outcome.UNKNOWN, reason="_FENCED", fenced=True))
    with pytest.raises(HaltError, match="another replay"):
        bench.run()
    assert (bench.sent, bench.publisher.rebuilt) == ([], 0)


def test_oversized_letters_are_named() -> None:
    """The error gives their positions, so that a filter can pass them over."""
    bench = Bench(Result(outcome=Outcome.ABORTED, reason="MSG_SIZE_TOO_LARGE", oversized=frozenset({1, 3})))
    with pytest.raises(HaltError, match=r"dead/0/1, dead/0/3.*max\.message\.bytes"):
        bench.run()


def test_unreachable_broker_leaves_the_last_batch_in_doubt() -> None:
    """The error says how many letters may have been sent."""
    bench = Bench(UNKNOWN)
    bench.publisher.is_reachable = False
    with pytest.raises(HaltError, match="the last 4 letters"):
        bench.run()


def test_stopped_replay_sends_no_further_batch() -> None:
    """Letters sent before are committed; the rest stays pending."""
    bench = Bench(stopped=lambda: bool(bench.group.records))
    with pytest.raises(HaltError, match="stopped"):
        bench.run()
    assert bench.sent == list(range(BATCH))
    assert bench.group.offsets["dead", 0] == (BATCH, "2AAAAAA")
