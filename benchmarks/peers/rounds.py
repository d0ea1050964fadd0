"""The three rounds of a peer: at full speed, with the API down for a while, and killed in the middle.

Each round has its own topics and group. All orders are in six partitions before the peer starts. A round ends when
every event is visible and the group has committed past all orders. It also ends after a minute without a record,
because most groups wait 45 s for a killed member. The account then uses the records that a read_committed consumer
sees.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from benchmarks.client import mixed_orders
from benchmarks.peers.account import Account, settle
from benchmarks.peers.peers import ROOT, Peer
from benchmarks.peers.process import Process
from benchmarks.worker import PARTITIONS, settings_of
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.kafka_tools import Read, end_offsets, produce_orders, read_committed
from tests.broker.workers import crew

from journeys.avro.schema import Schema
from journeys.avro.wire import unframe
from journeys.producer import schemas
from journeys.producer.channels import Channel, Channels
from journeys_sandbox.api.faults import plan_of
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack

CONCURRENCY: Final = 128
_LOOK_S: Final = 0.25
_SETTLED_S: Final = 2.0
"""Seconds without a record after which a round may be over."""
_PATIENCE_S: Final = 60.0
"""Seconds without a record after which a round is over. A group waits less than that for a killed member."""
_LONGEST_S: Final = 300.0
_CHECKED: Final = 19
"""The content of every 19th order is compared with the API. Long orders are among them."""

Found = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A visible event."""

    order: str
    position: int
    at: float
    """When the broker appended it, in seconds since the epoch."""
    right: bool
    """False if it was compared with the API and differs, or has the wrong channel."""


class Course:
    """The topics, group, orders and peer of one round."""

    def __init__(self, stack: Stack, url: str, peer: Peer, namespace: str, count: int) -> None:
        self._bootstrap = stack.broker.bootstrap_servers
        self._settings = settings_of(stack, url, namespace, CONCURRENCY) | {
            "JOURNEYS_KAFKA__INSTANCE_ID": "one",
            "PEER_BOOTSTRAP": self._bootstrap,
            "PEER_REGISTRY": stack.registry.url,
            "PEER_API_URL": f"{url}/v2-4-2/api/order/event",
            "PEER_API_KEY": "any",
            "PEER_ORDERS": f"{namespace}orders",
            "PEER_PREFIX": f"{namespace}journey.",
            "PEER_GROUP": f"{namespace}group",
            "PEER_CONCURRENCY": str(CONCURRENCY),
            **peer.environment,
        }
        self._peer = peer
        self._url = url
        self._topics = {f"{namespace}journey.{channel}": channel for channel in Channel}
        self._schemas = {channel: Schema(schemas.load(schemas.RECORDS[channel])) for channel in Channel}
        self.orders = [order.order_id for order in mixed_orders(count)]
        self.owed = {order: plan_of(order).count or 0 for order in self.orders}
        self._places = [TopicPartition(f"{namespace}orders", number) for number in range(PARTITIONS)]
        self._admin = AdminClient({"bootstrap.servers": self._bootstrap})

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[Process]:
        """Create topics, schemas and orders, and run the peer's process."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYS_", "PEER_"))}
        with ExitStack() as stack:
            hired = stack.enter_context(crew(self._settings))
            hired.setup("topics", "create", "--partitions", str(PARTITIONS))
            hired.setup("schemas", "register")
            produce_orders(self._bootstrap, self._places[0].topic, self.orders, partitions=PARTITIONS)
            self._group = Consumer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "group.id": self._settings["PEER_GROUP"],
                    "enable.auto.commit": False,
                    # Otherwise it would wait for the open transaction of a killed peer.
                    "isolation.level": "read_uncommitted",
                }
            )
            stack.callback(self._group.close)
            environment = {**plain, "PYTHONPATH": str(ROOT), "JOURNEYS_OPS__PORT": "0", **self._settings}
            process = Process(command, environment, Path(hired.directory) / "peer.log", Path(hired.directory))
            try:
                yield process
            except BaseException:
                sys.stderr.write(f"--- {self._peer.name} ---\n{process.last_words()}\n")
                raise
            finally:
                process.stop()

    # -- questions to Kafka

    def written(self) -> int:
        """Offsets used in the channels' topics, including transaction markers and aborted records."""
        return sum(end_offsets(self._admin, self._topics).values())

    def committed(self) -> dict[int, int]:
        """Partition → the group's committed offset."""
        return {place.partition: max(0, place.offset) for place in self._group.committed(self._places, timeout=20)}

    def seen(self) -> list[Seen]:
        """Every visible event."""
        return [self._event(read) for read in read_committed(self._bootstrap, self._topics, stable=True)]

    def account(self, seen: Sequence[Seen]) -> Account:
        """The account of all orders."""
        committed, ends = self.committed(), dict.fromkeys(range(PARTITIONS), 0)
        behind = set()
        for number, order in enumerate(self.orders, 1):  # the same distribution as `produce_orders`
            partition = number % PARTITIONS
            if ends[partition] < committed[partition]:
                behind.add(order)
            ends[partition] += 1
        return settle(self.owed, ((event.order, event.position) for event in seen), behind)

    def _event(self, read: Read) -> Seen:
        channel = self._topics[read.topic]
        _, body = unframe(read.value or b"")
        datum = self._schemas[channel].decode(body)
        if not isinstance(datum, dict) or datum["order_id"].encode() != read.key:
            raise ValueError(f"a record of {read.topic} has another order's key")
        return Seen(
            order=datum["order_id"],
            position=datum["position"],
            at=read.timestamp_ms / 1000,
            right=right(datum, channel),
        )

    # -- waiting

    def until_written(self, share: float, process: Process) -> None:
        """Wait until this share (0 to 1) of all events is written. Raises TimeoutError."""
        wanted = share * sum(self.owed.values())
        _wait(lambda: self.written() >= wanted, process, f"{share:.0%} of the events")

    def until_over(self, process: Process) -> tuple[list[Seen], Account]:
        """Wait for the end of the round. Returns the visible events and the account."""
        began = changed = time.monotonic()
        written, looked = self.written(), -1
        while True:
            now = time.monotonic()
            process.tick()
            if (newly := self.written()) != written:
                written, changed = newly, now
            quiet = now - changed
            over = quiet >= _PATIENCE_S or now - began >= _LONGEST_S
            settled = quiet >= _SETTLED_S and looked != written and self._passed()
            if over or settled:
                looked, seen = written, self.seen()
                account = self.account(seen)
                if over or account.complete:
                    return seen, account
            time.sleep(_LOOK_S)

    def _passed(self) -> bool:
        return sum(self.committed().values()) >= len(self.orders)

    def api(self, faults: str) -> None:
        """Set the stand-in's faults for every request."""
        with urlopen(Request(f"{self._url}/_faults", data=faults.encode(), method="POST")):  # noqa: S310 - our own
            pass


def _wait(condition: Callable[[], bool], process: Process, what: str, *, patience: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        process.tick()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s in vain for {what}; {process.restarts} restarts")
        time.sleep(_LOOK_S)


# -- the rounds


def speed(course: Course, command: Sequence[str]) -> Found:
    """Orders per second from the first event's append to the last one's, with CPU and memory."""
    with course.running(command) as process:
        course.until_written(0.01, process)
        seen, account = course.until_over(process)
        began, ended = min(event.at for event in seen), max(event.at for event in seen)
        done = account.whole / (ended - began)
        return {
            "orders": account.owed,
            "rate": done,
            "cpu_ms": 1000 * process.cpu_between(began, ended) / max(1, account.whole),
            "memory_mib": process.memory,
            "seconds": ended - began,
            "restarts": process.restarts,
            "wrong": sum(not event.right for event in seen),
            "account": asdict(account),
        }


def outage(course: Course, command: Sequence[str], seconds: float) -> Found:
    """The API answers 503 for this long, after a quarter of the events."""
    with course.running(command) as process:
        course.until_written(0.25, process)
        course.api("503")
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                process.tick()
                time.sleep(_LOOK_S)
        finally:
            course.api("")
        back = time.time()
        seen, account = course.until_over(process)
        return {
            "seconds": seconds,
            "resumed_s": resumed(seen, back),
            "restarts": process.restarts,
            "account": asdict(account),
        }


def murder(course: Course, command: Sequence[str]) -> Found:
    """SIGKILL after 40 % of the events, and a new start at once with the same group and transactional id."""
    with course.running(command) as process:
        course.until_written(0.4, process)
        process.kill()
        left = course.account(course.seen())
        process.again()
        back = time.time()
        seen, account = course.until_over(process)
        return {
            "resumed_s": resumed(seen, back),
            "restarts": process.restarts,
            "half_after_kill": left.half,
            "account": asdict(account),
        }


def resumed(seen: Sequence[Seen], back: float) -> float | None:
    """Seconds from `back` to the append of the next visible event. None without one."""
    return min((event.at - back for event in seen if event.at > back), default=None)


# -- content


_CHANNELS: Final = Channels()
_held: Final = lru_cache(maxsize=256)(journey_of)


def right(datum: Mapping[str, Any], channel: str) -> bool:
    """Whether an event has the API's content and the right channel. True for orders that are not compared."""
    if int(datum["order_id"].rpartition("-")[2]) % _CHECKED:
        return True
    held = _held(datum["order_id"])[datum["position"]]
    return isinstance(held, dict) and same(held, datum) and _CHANNELS.of(held.get("event_type")) == channel


_OWN: Final = frozenset(
    {"account", "edition", "revision", "order_id", "shop_currency", "event_at", "event_at_text", "actions"}
    | {"position", "journey_size", "fetched_at", "misfits", "extra"}
)


def same(held: Any, got: Any) -> bool:
    """Whether a decoded value equals the API's value, in the fields that the schema has."""
    if isinstance(got, Mapping):
        fields = [name for name in got if name not in _OWN]
        return isinstance(held, Mapping) and all(same(held.get(name), got[name]) for name in fields)
    if isinstance(got, list):
        return isinstance(held, list) and len(held) == len(got) and all(map(same, held, got))
    return bool(held == got)
