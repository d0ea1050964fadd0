"""Real Apache Kafka: one KRaft node in a temporary directory, on free ports."""

from __future__ import annotations

import os
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from journeys_sandbox.stack.artifacts import Progress, kafka_jars
from journeys_sandbox.stack.processes import JavaProcess, Workplace, free_ports, run_java, wait_until

_READY_S = 120.0
# Only the JVM's first compiler: a broker runs for minutes here, on the cores of its clients. On two cores it started in
# 2.1 s instead of 3.2 and took 24 % more records.
_JVM = (
    "-XX:TieredStopAtLevel=1",
    "-Xms256m",
    "-Xmx640m",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "--enable-native-access=ALL-UNNAMED",
)
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

DEFAULTS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # One node has one replica. The broker's own topics start faster with few partitions.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The broker aborts a dead worker's transaction within 1 s after its time-out, instead of 10.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # Groups form at once. Tests may choose short sessions in both group protocols.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    # A restarted broker waits until the session of its predecessor ends: 9 s by default. The controller fences a
    # broker that is silent for so long, also on a machine that is too busy.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "200",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "message.max.bytes": "8388608",
    "replica.fetch.max.bytes": "8388608",
}


class Broker:
    """One Kafka broker. `config` overrides `DEFAULTS`. Use it as a context manager.

    `listeners` adds listeners to the plain one: each one's name (in capitals) and its security protocol. `port` is the
    plain one's; 0 is any free one.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        config: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._port = port
        self._config = {**DEFAULTS, **(config or {})}
        self._listeners = dict(listeners or {})
        self._ports: dict[str, int] = {}
        self._progress = progress
        self._place: Workplace | None = None
        self._process: JavaProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, from `launch` on; the same after `restart`."""
        return self.address("PLAINTEXT")

    def address(self, listener: str) -> str:
        """`host:port` of a listener, from `launch` on; the same after `restart`."""
        return f"127.0.0.1:{self._ports[listener]}"

    @property
    def pid(self) -> int | None:
        """The JVM's process id, None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def guard_pid(self) -> int | None:
        """The process id of the JVM's guard, which ends after it; None while it does not run."""
        return None if self._process is None else self._process.guard_pid

    def tail(self) -> str:
        """Whether it runs, and the last lines of its log: for the text of a failure."""
        if self._place is None:
            return "not started"
        running = self._process is not None and self._process.running
        return f"{'running' if running else 'not running'}\n{self._place.tail()}"

    def start(self) -> None:
        """Start and wait until it answers. Raises SetupError after 120 s without an answer."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Download missing files, format the storage and start the process."""
        jars = kafka_jars(self._progress)
        if self._place is None:
            self._place = Workplace("kafka")
            self._format(self._place, os.pathsep.join(map(str, jars)))
        self._run(self._place, os.pathsep.join(map(str, jars)))

    def wait_ready(self) -> None:
        """Wait until the broker answers a request for metadata. Raises SetupError as `start` does."""
        if self._process is None or self._place is None:
            raise RuntimeError("launch the broker first")
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "log_level": 0,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 100,
            }
        )

        def answers() -> bool:
            try:
                return len(admin.list_topics(timeout=5.0).brokers) == 1
            except KafkaException:
                return False

        wait_until(answers, self._process, self._place, "Apache Kafka", _READY_S)

    def stop(self) -> None:
        """Stop it and remove its data. Harmless while it does not run."""
        if self._process is not None:
            self._process.kill()  # no flush: the data is deleted next
            self._process = None
        if self._place is not None:
            self._place.close()
            self._place = None

    def kill(self) -> None:
        """Send SIGKILL, like a crash. The data stays for `restart`."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Shut down in order (unless it was killed) and start again with the same data and port."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _format(self, place: Workplace, classpath: str) -> None:
        """Choose the ports, write the properties and format an empty storage."""
        protocols = {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", **self._listeners}
        self._ports = dict(zip(protocols, free_ports(len(protocols)), strict=True))
        if self._port:
            self._ports["PLAINTEXT"] = self._port
        listeners = {name: f"{name}://{self.address(name)}" for name in protocols}
        config = {
            **self._config,
            "listeners": ",".join(listeners.values()),
            "advertised.listeners": ",".join(url for name, url in listeners.items() if name != "CONTROLLER"),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            "log.dirs": str(place.path / "data"),
        }
        properties = place.path / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in config.items()))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", str(properties)]
        run_java(place, [*_JVM, *_LOGGING, "-cp", classpath, *tool])

    def _run(self, place: Workplace, classpath: str) -> None:
        server = ["kafka.Kafka", str(place.path / "server.properties")]
        self._process = JavaProcess(place, [*_JVM, *_LOGGING, "-cp", classpath, *server])
