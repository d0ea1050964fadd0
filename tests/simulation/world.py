"""One run: a broker, an API, a few workers, and what befalls them; all of it drawn from one seed.

For a while there are disasters. Then they stop, and within a bounded time everything that is owed must be done. A
worker that ends is started again, as a supervisor would.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from tests.simulation import disasters
from tests.simulation.api import HEAVY, PAGE, Api, Journey, Kind
from tests.simulation.audit import Audit
from tests.simulation.encoder import SUMMARY
from tests.simulation.kafka.cluster import BrokerSettings, Cluster
from tests.simulation.kafka.group import Group
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.weather import CALM, Rates, Weather
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.story import Story, Teller
from tests.simulation.wiring import DEAD_LETTER, ORDERS, TIERS, Parts, Worker, WorkerSettings

from journeys.errors import HaltError

_PLAIN: tuple[Kind, ...] = ("plain",) * 12
_KINDS: tuple[Kind, ...] = (
    *_PLAIN,
    *("growing", "growing", "late", "absent", "refused", "large", "heavy", "unsteady"),
    *("visit", "short", "ill-formed"),
)
_PATIENCE = 180.0
"""Virtual seconds that everything may take once the disasters have stopped."""
_STOPPING = 15.0
"""Virtual seconds that a stop may take: the last transaction, then leaving two groups."""
_RECREATED = ("created again", "is gone")
"""What a worker says that stops because the topic of orders is another one."""
_OVERSHOOT = 24
"""Orders that may come while the intake is full, for the sake of callbacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    seed: int
    violation: str | None
    lines: list[str]
    virtual: float
    counts: dict[str, int]


class World:
    """Everything, for one seed."""

    def __init__(self, seed: int, *, parts: Parts | None = None, deaf: bool = True) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.scheduler = Scheduler()
        self.story = Story(lambda: self.scheduler.now, deaf=deaf)
        self.audit = Audit(self.story, lambda order_id: self.api.journeys[order_id].known_size)
        self._parts = parts or Parts()
        self.rates = self._draw_rates()
        self.settings = WorkerSettings(
            protocol=random.choice(["classic", "classic", "consumer"]),
            orders_in_hand=random.choice([4, 10, 30]),
            map_limit=random.choice([10, 12, 16, 66]),
            poll=random.choice([0.05, 0.2, 0.5]),
            transaction=random.choice([2.0, 6.0]),
            max_records=random.choice([6, 40]),
            concurrency=random.choice([2, 6]),
            rate=random.choice([None, None, 10.0]),
            settle=random.choice([0.0, 0.0, 3.0]),
        )
        # Chance of its own, as in `run`: the other seeds stay the runs that they were.
        self._start_chance = Random(f"start {seed}")
        if self._start_chance.random() < 0.2:
            self.settings = replace(self.settings, start=self._start_chance.choice(["latest", "latest", "error"]))
        self.cluster = Cluster(
            self.scheduler,
            random.random,
            BrokerSettings(
                metadata_limit=self.settings.map_limit,
                message_limit=len(HEAVY) // 2,
                markers=random.choice([0.01, 0.05, 0.5, 2.0]),
                scan=random.choice([1.0, 5.0]),
            ),
            self.audit,
        )
        self.api = Api(self.scheduler, random.random, latency=random.choice([0.05, 0.3, 1.0]))
        self.workers: list[Worker] = []
        self._holes = random.choice([0.0, 0.2, 0.6])
        self._stable_ids = random.random() < 0.5
        self.twins = False
        """Whether two workers were given the same instance id: they may stop for it."""
        self.forgotten = Counter[str]()
        """How often Kafka forgot a producer, by instance id: to its worker that looks like a twin, the third time."""
        self._recreated = False
        self._company: set[str] = set()
        """Editions of the orders placed beside those that are owed when the disasters stop."""
        self._names = 0
        self._leaving: dict[Worker, float] = {}
        self._placed = self._to_place = 0

    # -- what disasters use

    def any_worker(self) -> Worker | None:
        """One that runs, if any."""
        return self.random.choice(self.workers) if self.workers else None

    def start(self, instance_id: str | None = None) -> None:
        """A new process."""
        self._names += 1
        name = f"worker-{self._names}"
        process = Process(self.scheduler, name, self.random.random)
        self.story.tell(name, "starts")
        self.workers.append(
            Worker(
                settings=self.settings,
                parts=self._parts,
                instance_id=instance_id or name,
                process=process,
                link=Link(process),
                weather=Weather(process, self.random.random, lambda: self.rates),
                cluster=self.cluster,
                api=self.api,
                teller=Teller(self.story, name),
                on_beat=self._look_at,
            )
        )

    def stop(self, worker: Worker) -> None:
        """Send SIGTERM; a frozen process handles it later."""
        self.story.tell(worker.process.name, "gets SIGTERM")
        self._leaving[worker] = self.scheduler.now
        worker.process.when_running(worker.stop)

    def accept_joins(self, group: Group) -> None:
        """A group takes new members again."""
        self.story.tell("Kafka", "takes new members again")
        group.refusal = None

    def recreate_orders(self) -> None:
        """The topic of orders is deleted and created again, and orders come at once."""
        self._recreated = True
        self.story.tell("Kafka", f"deletes {ORDERS}, and creates it again")
        self.cluster.recreate(ORDERS)
        self.audit.recreated()
        for place in self.cluster.partitions([ORDERS]):
            for number in range(3):
                order_id = f"new-{place[1]}-{number}"
                self.api.journeys[order_id] = Journey(order_id, "plain", 2, ())
                self.cluster.logs[place].append(order_id.encode(), order_id.encode(), [], self.cluster.wall_ms())
                self.audit.placed_anew(order_id)

    # -- a run

    def run(self) -> Outcome:
        """All of it."""
        trouble = self.random.uniform(6.0, 30.0)
        self._furnish(trouble)
        for _ in range(self.random.randint(1, 3)):
            if self.settings.start == "latest":  # a race: each decides within some hundredths of a second
                self.scheduler.at(self._start_chance.uniform(0.0, 0.05), self.start)
            else:
                self.start()
        for _ in range(self.random.randint(1, 9)):
            strike = self.random.choice(disasters.ALL)
            self.scheduler.at(self.random.uniform(0.5, trouble), partial(self._strike, strike))
        # Chance of its own: the seeds without such a disaster stay the runs that they were.
        rare = Random(f"rare {self.seed}")
        if rare.random() < 0.25:
            self.scheduler.at(
                rare.uniform(0.5, trouble), partial(self._strike, rare.choice(disasters.RARE), random=rare)
            )
        rare = Random(f"recreation {self.seed}")
        if rare.random() < 0.1 and self.settings.start == "earliest":  # any other start ends or skips orders then
            self.scheduler.at(rare.uniform(2.0, trouble), partial(self._strike, disasters.recreate, random=rare))
        if self.settings.start != "earliest":
            self.scheduler.at(self._start_chance.uniform(0.0, trouble), self._grow)
        self._tick()
        self.scheduler.run(trouble, self._is_over)
        self._quieten()
        self._keep_company()
        self.scheduler.run(trouble + _PATIENCE, lambda: self._is_over() or self._is_done())
        self._judge()
        virtual = self.scheduler.now
        for worker in self.workers:
            worker.process.kill()
        return Outcome(
            seed=self.seed,
            violation=self.audit.violation,
            lines=self.story.lines,
            virtual=virtual,
            counts=dict(self.story.counts),
        )

    def _is_over(self) -> bool:
        return self.audit.violation is not None

    def _is_done(self) -> bool:
        return self._placed == self._to_place and not self.audit.owed() and self.audit.left() is None

    def _judge(self) -> None:
        if self._is_over():
            return
        if owed := self.audit.owed():
            self.audit.violated(f"no progress: {len(owed)} orders are still owed, among them {owed[0]}")
        elif left := self.audit.left():
            self.audit.violated(f"no progress: nothing is owed, yet {left} is not committed")

    def _draw_rates(self) -> Rates:
        random = self.random
        often = random.choice([0.0, 0.01, 0.05, 0.15])
        rates = Rates(full=0.01, eager=0.1)
        for mishap in ("retriable", "abortable", "fatal", "answer_lost", "unreadable"):
            if random.random() < 0.5:
                rates = replace(rates, **{mishap: often})
        return rates

    def _furnish(self, trouble: float) -> None:
        random = self.random
        partitions = random.randint(1, 4)
        for topic in (ORDERS, *(topic for topic, _ in TIERS)):
            self.cluster.create(topic, partitions)
        for topic in (DEAD_LETTER, SUMMARY, "journey.ads", "journey.email", "journey.direct"):
            self.cluster.create(topic, 2)
        for name in ("journeys", "journeys.retry"):
            self.cluster.group(name).shuffles = random.choice([0.0, 0.3])
        if self.settings.start == "error":
            self.cluster.commit_offset("journeys", (ORDERS, self._start_chance.randrange(partitions)), 0)
        self._to_place = random.randint(5, 60)
        for number in range(self._to_place):
            self.scheduler.at(max(0.0, random.uniform(-0.3, 1.1) * trouble), partial(self._place, number))

    def _grow(self) -> None:
        """The topic of orders gets more partitions. Orders are in them before a member learns of it."""
        partitions = len(self.cluster.partitions([ORDERS])) + self._start_chance.randint(1, 2)
        self.story.tell("Kafka", f"has {partitions} partitions of {ORDERS}")
        self.cluster.grow(ORDERS, partitions)
        self.scheduler.after(self._start_chance.uniform(0.0, 5.0), self.cluster.group("journeys").rebalance)

    def _place(self, number: int) -> None:
        random = self.random
        place = (ORDERS, random.randrange(len(self.cluster.partitions([ORDERS]))))
        log = self.cluster.logs[place]
        if random.random() < self._holes:
            log.skip(random.choice([1, 1, 2, 30]))
        chance = random.random()
        order_id = f"order-{number}"
        value: bytes | None = order_id.encode()
        if chance < 0.05:
            value = random.choice([None, b"", b"\xff\xfe", b"a\nb"])
        elif chance < 0.1 and number:
            value = f"order-{random.randrange(number)}".encode()
        kind = random.choice(_KINDS)
        now = self.scheduler.now
        changes = tuple(sorted(now + random.uniform(0.0, 8.0) for _ in range(2))) if kind in ("growing", "late") else ()
        events = random.choice([1, 2, 2, 3, PAGE + 1, 2 * PAGE + 2])
        self.api.journeys.setdefault(order_id, Journey(order_id, kind, events, changes))
        for known in (value or b"").decode(errors="replace").split("\n"):
            self.api.journeys.setdefault(known, Journey(known, "plain", events))
        entry = log.append(order_id.encode(), value, [], self.cluster.wall_ms())
        self.audit.placed(place, entry.offset, is_null=value is None)
        self._placed += 1
        self.story.counts["orders"] += 1
        self.story.tell("orders", f"{place[0]}/{place[1]}/{entry.offset} asks for {value!r} ({kind})")

    def _keep_company(self) -> None:
        """Place one more order every 2.5 s: a bad order ends only if the same worker gets answers for others.

        None has a journey, so that each goes through both retry tiers: a worker may have partitions of one topic only.
        """
        if not self._company.issuperset(self.audit.owed()):
            place = (ORDERS, self.random.randrange(len(self.cluster.partitions([ORDERS]))))
            log = self.cluster.logs[place]
            order_id = f"company-{len(self._company)}"
            self.api.journeys[order_id] = Journey(order_id, "absent", 0)
            entry = log.append(order_id.encode(), order_id.encode(), [], self.cluster.wall_ms())
            self.audit.placed(place, entry.offset, is_null=False)
            self._company.add(f"{ORDERS}/{place[1]}/{entry.offset}")
        self.scheduler.after(2.5, self._keep_company)

    def _quieten(self) -> None:
        """The disasters stop."""
        self.story.tell("AUDIT", "the disasters stop")
        self.rates = CALM
        for group in self.cluster.groups.values():
            group.refusal = None
        self.api.mood = "well"
        for worker in self.workers:
            worker.process.lag = 0.0
            worker.wall_offset = 0.0
            worker.weather.die_at = worker.weather.freeze_at = None

    def _strike(self, disaster: disasters.Disaster, *, random: Random | None = None) -> None:
        self.story.counts[f"disaster {disaster.__name__}"] += 1
        disaster(self, random or self.random)

    # -- what is looked at all the time

    def _look_at(self, worker: Worker) -> None:
        """At each turn of a Kafka thread."""
        in_hand, bound = worker.admission.in_hand, self.settings.orders_in_hand
        if in_hand > bound + _OVERSHOOT:
            self.audit.violated(f"{worker.process.name} has {in_hand} orders in hand; the bound is {bound}")
        if any(consumer.was_fatal for consumer in worker.consumers):
            self.audit.violated(f"{worker.process.name} goes on after a fatal error")
        for refusal in (consumer.refusal for consumer in worker.consumers):
            if refusal is not None and refusal not in worker.unready("group"):
                self.audit.violated(f"{worker.process.name} does not say that its group refuses it: {refusal}")
        if worker.failure is not None:
            self.audit.violated(f"{worker.process.name} has a defect: {worker.failure!r}")
        if worker.process.loop.failures:
            self.audit.violated(f"{worker.process.name} has a defect: {worker.process.loop.failures[0]}")
        if worker.process.loop.is_up_to_date:
            for admitted in worker.pool._running.values():
                if worker.assignments.partition_of(admitted.epoch) is None:
                    self.audit.violated(
                        f"{worker.process.name} still works on {admitted.message.position}, not its own"
                    )

    def _tick(self) -> None:
        """Act as the supervisor: start a worker again that has ended."""
        for worker in list(self.workers):
            if worker.process.alive and not worker.thread.done:
                self._look_at_times(worker)
                continue
            self._bury(worker)
            is_twin = isinstance(worker.thread.error, HaltError)  # its operator then gives it an id of its own
            again = worker.instance_id if self._stable_ids and not is_twin else None
            self.scheduler.after(self.random.uniform(0.0, 3.0), partial(self.start, again))
        self.scheduler.after(0.5, self._tick)

    def _look_at_times(self, worker: Worker) -> None:
        if any(consumer.overdue for consumer in worker.consumers):
            self.audit.violated(f"{worker.process.name} did not poll for {self.settings.max_poll:g} s")
        asked_at = self._leaving.get(worker)
        if (
            asked_at is not None
            and not worker.process.was_frozen_after(asked_at)
            and self.scheduler.now - asked_at > _STOPPING
        ):
            self.audit.violated(f"{worker.process.name} has not stopped {_STOPPING:g} s after SIGTERM")

    def _bury(self, worker: Worker) -> None:
        self.workers.remove(worker)
        error = worker.thread.error
        self.story.tell(worker.process.name, f"has ended: {error!r}" if error else "has ended")
        looks_like_a_twin = self.forgotten[worker.instance_id] >= 3 and "fenced three times" in str(error)
        was_fatal = any(consumer.was_fatal for consumer in worker.consumers)
        has_no_answer = worker.is_starting and "Kafka does not" in str(error)
        may_halt = self.twins or looks_like_a_twin or was_fatal or has_no_answer
        if self._recreated and isinstance(error, HaltError) and any(word in str(error) for word in _RECREATED):
            may_halt = True
            self._start_over()
        if error is not None and not (may_halt and isinstance(error, HaltError)):
            self.audit.violated(f"{worker.process.name} ended by itself: {error!r}")
        worker.process.kill()

    def _start_over(self) -> None:
        """Act as the operator whom the error tells to: stop all workers, and set the offsets to the start."""
        for worker in self.workers:
            worker.process.kill()
        for place in self.cluster.partitions([ORDERS]):
            self.cluster.commit_offset("journeys", place, 0)


def simulate(seed: int, *, parts: Parts | None = None, deaf: bool = True) -> Outcome:
    """Run one seed; the same seed is the same run."""
    return World(seed, parts=parts, deaf=deaf).run()
