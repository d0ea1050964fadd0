"""The sandbox: real parts that start, answer, crash, come back and leave nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tests.broker.kafka_tools import create_topics, produce_orders, read_committed
from tests.support.document_blocks import commands

from journeys_sandbox.stack.kafka import Broker


def test_produced_records_are_read_back(bootstrap_servers: str, namespace: str) -> None:
    """Records spread over the partitions are all read back, next to an empty topic."""
    topic, empty = f"{namespace}orders", f"{namespace}empty"
    create_topics(bootstrap_servers, topic, empty, partitions=3)
    orders = [f"order-{number}" for number in range(100)]
    assert produce_orders(bootstrap_servers, topic, orders, partitions=3) == 100
    reads = read_committed(bootstrap_servers, [topic, empty])
    assert sorted(read.value.decode() for read in reads if read.value) == sorted(orders)
    assert {read.partition for read in reads} == {0, 1, 2}


def test_aborted_records_are_not_read(bootstrap_servers: str, namespace: str) -> None:
    """An aborted transaction at the end of a partition neither shows its records nor blocks the reader."""
    topic = f"{namespace}out"
    create_topics(bootstrap_servers, topic, partitions=1)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": f"{namespace}writer"})
    producer.init_transactions(30)
    for value, finish in (("kept", producer.commit_transaction), ("dropped", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, headers={"edition": "t/0/1"})
        producer.flush(10)
        finish(10)
    (read,) = read_committed(bootstrap_servers, [topic])
    assert (read.value, read.header("edition")) == (b"kept", "t/0/1")


def test_the_registry_speaks_the_confluent_api(registry_url: str, namespace: str) -> None:
    """The registry registers a schema, finds it by its text and checks compatibility in both directions."""
    subject = f"{namespace}value"
    first = _record('{"name": "a", "type": ["null", "long"], "default": null}')
    broken = _record('{"name": "b", "type": "long"}')
    with SchemaRegistryClient({"url": registry_url, "timeout": 10}) as client:
        identifier = client.register_schema(subject, first)
        assert client.lookup_schema(subject, first).schema_id == identifier
        client.set_compatibility(subject, level="FULL_TRANSITIVE")
        assert client.get_compatibility(subject) == "FULL_TRANSITIVE"
        assert client.test_compatibility(subject, first)
        assert not client.test_compatibility(subject, broken)


def _record(field: str) -> Schema:
    return Schema(f'{{"type": "record", "name": "R", "fields": [{field}]}}', "AVRO")


def test_a_crashed_broker_comes_back_with_its_data() -> None:
    """After a kill and a restart, the broker has the same address and the same records."""
    with Broker() as broker:
        create_topics(broker.bootstrap_servers, "orders", partitions=1)
        produce_orders(broker.bootstrap_servers, "orders", ["one", "two"])
        address = broker.bootstrap_servers
        broker.kill()
        broker.restart()
        assert broker.bootstrap_servers == address
        assert [read.value for read in read_committed(address, ["orders"])] == [b"one", b"two"]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes by pidfd, which is Linux's")
def test_the_broker_ends_with_its_killed_parent(tmp_path: Path) -> None:
    """SIGKILL of the process that started a broker ends the broker too and removes its files."""
    script = (
        "from journeys_sandbox.stack.kafka import Broker\n"
        "broker = Broker()\n"
        "broker.start()\n"
        "print(broker.pid, broker.guard_pid, flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        ends = [os.pidfd_open(pid) for pid in pids]
        assert list(tmp_path.iterdir())
        parent.kill()
    for end in ends:
        assert select.select([end], [], [], 20)[0], "a process is still there"
        os.close(end)
    assert list(tmp_path.iterdir()) == []


def test_one_command_starts_kafka_registry_and_api(tmp_path: Path) -> None:
    """It prints the addresses of all three, as the tutorial shows. Ctrl-C ends them and removes their files."""
    ports = ("--kafka-port=0", "--registry-port=0", "--api-port=0")
    sandbox = subprocess.Popen(  # noqa: S603  # our own command line
        [sys.executable, "-m", "journeys_sandbox", *ports],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )
    with sandbox:
        assert sandbox.stdout is not None
        try:
            lines = [sandbox.stdout.readline() for _ in range(4)]
            [shown] = [command for command in commands("docs/tutorial.md") if "journeys_sandbox" in command.text]
            assert shown.prints("".join(lines))
            exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:3])
            create_topics(exports["JOURNEYS_KAFKA__BOOTSTRAP_SERVERS"], "orders", partitions=1)
            with SchemaRegistryClient({"url": exports["JOURNEYS_REGISTRY__URL"], "timeout": 10}) as client:
                assert client.get_subjects() == []
            api = f"{exports['JOURNEYS_API__BASE_URL']}/_stats"
            with urllib.request.urlopen(api, timeout=10) as answer:  # noqa: S310  # our own stand-in
                assert answer.status == 200
        finally:
            sandbox.send_signal(signal.SIGINT)
    assert sandbox.returncode == 0
    assert list(tmp_path.iterdir()) == []
