"""The disasters of a run. The seed draws which ones strike, when, and which worker."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from tests.simulation.api import Mood
from tests.support.librdkafka import REFUSED_JOINS

if TYPE_CHECKING:
    from tests.simulation.wiring import Worker
    from tests.simulation.world import World

Disaster: TypeAlias = Callable[["World", Random], None]


def die(world: World, random: Random) -> None:
    """SIGKILL, at one of the next calls into Kafka: so also between two of one transaction."""
    if worker := world.any_worker():
        worker.weather.die_at = worker.weather.calls + random.randint(1, 80)


def freeze(world: World, random: Random) -> None:
    """SIGSTOP at one of the next calls, and SIGCONT: a zombie, where others have taken over in between."""
    if worker := world.any_worker():
        worker.weather.freeze_for = random.choice([0.5, 2.0, 8.0, 14.0, 25.0])
        worker.weather.freeze_at = worker.weather.calls + random.randint(1, 80)
        world.story.tell(worker.process.name, f"will stop for {worker.weather.freeze_for:g} s")


def cut(world: World, random: Random) -> None:
    """One worker loses the broker."""
    if worker := world.any_worker():
        seconds = random.uniform(0.2, 12.0)
        worker.link.cut(seconds)
        world.story.tell(worker.process.name, f"loses Kafka for {seconds:.1f} s")


def silence(world: World, random: Random) -> None:
    """The broker is away."""
    seconds = random.uniform(0.2, 5.0)
    world.story.tell("Kafka", f"is silent for {seconds:.1f} s")
    for worker in world.workers:
        worker.link.cut(seconds)


def stop(world: World, _random: Random) -> None:
    """SIGTERM, and a new one comes, as when a deployment rolls."""
    if worker := world.any_worker():
        world.stop(worker)


def join(world: World, _random: Random) -> None:
    """One more worker."""
    if len(world.workers) < 4:
        world.start()


def twin(world: World, _random: Random) -> None:
    """One more worker, by mistake with the instance id of another: they fence each other, until they stop."""
    if len(world.workers) < 4 and (worker := world.any_worker()):
        world.story.tell(worker.process.name, "gets a twin")
        world.twins = True
        world.start(worker.instance_id)


def rebalance(world: World, random: Random) -> None:
    """Everything is shared out anew."""
    group = random.choice(list(world.cluster.groups.values()))
    world.story.tell("Kafka", "rebalances")
    group.rebalance()


def moody(world: World, random: Random) -> None:
    """The API is down, strict, shut, slow or broken."""
    moods: list[Mood] = ["down", "strict", "shut", "slow", "broken"]
    mood, seconds = random.choice(moods), random.uniform(0.5, 10.0)
    world.story.tell("API", f"is {mood} for {seconds:.1f} s")
    world.api.be(mood, seconds)


def wrong_time(world: World, random: Random) -> None:
    """A worker's wall clock jumps."""
    if worker := world.any_worker():
        worker.wall_offset = random.uniform(-10.0, 10.0)
        world.story.tell(worker.process.name, f"has a wall clock that is {worker.wall_offset:+.1f} s off")


def busy(world: World, random: Random) -> None:
    """A worker's event loop is behind, and it falls out of the group: what is cancelled comes all the same, late."""
    if worker := world.any_worker():
        worker.process.lag = random.uniform(0.5, 6.0)
        world.story.tell(worker.process.name, f"has an event loop that is {worker.process.lag:.1f} s behind")
        world.scheduler.after(random.uniform(0.0, 2.0), lambda: _throw_out(world, worker))


def throw_out(world: World, _random: Random) -> None:
    """A worker falls out of its groups, and comes back at once."""
    if worker := world.any_worker():
        _throw_out(world, worker)


def _throw_out(world: World, worker: Worker) -> None:
    world.story.tell(worker.process.name, "is thrown out of its groups")
    for consumer in worker.consumers:
        consumer.group.throw_out(consumer)


def forget_producer(world: World, _random: Random) -> None:
    """A producer's id expires, as after a long idle time."""
    if worker := world.any_worker():
        world.story.tell("Kafka", f"forgets the producer of {worker.process.name}")
        world.forgotten[worker.instance_id] += 1
        world.cluster.forget_producer(f"journeys-{worker.instance_id}")


def fence(world: World, random: Random) -> None:
    """A static member is fenced by its twin, in one of its groups."""
    if world.workers:
        worker = random.choice(world.workers)
        world.story.tell(worker.process.name, "is fenced by a twin in its group")
        random.choice(worker.consumers).fence()


def refuse_joins(world: World, random: Random) -> None:
    """A group takes no new member for a while, and a worker falls out of it."""
    if world.workers:
        worker = random.choice(world.workers)
        group = random.choice(worker.consumers).group
        group.refusal = random.choice([REFUSED_JOINS[name] for name in _PASSING])
        world.story.tell("Kafka", f"refuses new members for a while: {group.refusal.name()}")
        world.scheduler.after(random.uniform(2.0, 9.0), lambda: world.accept_joins(group))
        _throw_out(world, worker)


def recreate(world: World, _random: Random) -> None:
    """The topic of orders is deleted and created again."""
    world.recreate_orders()


_PASSING = ("INCONSISTENT_GROUP_PROTOCOL", "GROUP_MAX_SIZE_REACHED", "CLUSTER_AUTHORIZATION_FAILED")
RARE: tuple[Disaster, ...] = (fence, refuse_joins, refuse_joins)
"""Disasters of one seed in four."""
ALL: tuple[Disaster, ...] = (
    die,
    die,
    freeze,
    freeze,
    freeze,
    cut,
    cut,
    silence,
    stop,
    join,
    twin,
    rebalance,
    rebalance,
    moody,
    moody,
    wrong_time,
    busy,
    busy,
    throw_out,
    forget_producer,
)
