"""Reads what a cluster says of itself. Every method asks the brokers, blocks for some seconds, and changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # undeclared
    AclOperation,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from journeys.consumer.consumer import Partition
from journeys.errors import HaltError
from journeys.kafka.admin import ANSWER_S, AdminConnection, code_of
from journeys.kafka.cluster import Cluster, Group, Member, Offsets, Topic
from journeys.kafka_errors import described
from journeys.settings import Settings

K = TypeVar("K")

_TAKING_OVER = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)
"""The errors of a group or a partition that a broker is about to take over: a new one, or after a restart."""
_LOOK_AGAIN_S = 0.1
_API = re.compile(r"ApiKey \S+ \((\d+)\) Versions \d+\.\.(\d+)")
"""librdkafka's debug line about an API of a broker."""


class Inspector:
    """Asks one cluster. Raises SettingsError if librdkafka refuses a property.

    Its methods raise HaltError if a broker refuses a question or does not answer it.
    """

    def __init__(self, settings: Settings) -> None:
        self._connection = AdminConnection(settings, debug="feature")
        self._client = self._connection.client

    def cluster(self) -> Cluster:
        """The brokers and the visible topics. Raises SetupError if no broker answers."""
        metadata = self._connection.metadata()
        return Cluster(
            brokers=len(metadata.brokers),
            apis=dict(_apis(self._connection.debug_lines())),
            topics={name: _topic(topic) for name, topic in metadata.topics.items() if topic.error is None},
        )

    def topic_settings(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings of each topic. Leaves out the topics whose settings this client may not read."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        if not resources:
            return {}
        futures = self._client.describe_configs(resources, request_timeout=ANSWER_S)
        return {
            resource.name: {name: entry.value for name, entry in _result(future).items() if entry.value is not None}
            for resource, future in futures.items()
            if code_of(future) != KafkaError.TOPIC_AUTHORIZATION_FAILED
        }

    def rights_on_topics(self, topics: Sequence[str]) -> dict[str, frozenset[str] | None]:
        """The operations that this client may perform on each topic, in capitals; none on a hidden one.

        The value is None if the broker does not say. Leaves out the topics that do not exist.
        """
        futures = self._client.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=ANSWER_S
        )
        found: dict[str, frozenset[str] | None] = {}
        for topic, future in futures.items():
            code = code_of(future)
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                found[topic] = frozenset()
            elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                found[topic] = _operations(_result(future).authorized_operations)
        return found

    def groups(self, names: Sequence[str]) -> dict[str, Group]:
        """Each of these consumer groups. One that does not exist has no members."""
        futures = _settled(
            lambda: self._client.describe_consumer_groups(
                list(names), include_authorized_operations=True, request_timeout=ANSWER_S
            )
        )
        return {name: _group(future) for name, future in futures.items()}

    def offsets(self, group: str, topics: Mapping[str, int]) -> dict[Partition, Offsets]:
        """The offsets of the group in each partition; `topics` gives the partition count of each topic."""
        places = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        if not places:
            return {}
        [asked] = _settled(
            lambda: self._client.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, places)], request_timeout=ANSWER_S
            )
        ).values()
        described = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_S)
        ids = {topic: str(_result(future).topic_id) for topic, future in described.items()}
        begins = self._listed(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # as the next one
        ends = self._listed(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        found = {}
        for each in _result(asked).topic_partitions:
            if each.error is not None:
                raise HaltError(f"{each.topic}/{each.partition}: {each.error.str()}")
            place = (each.topic, each.partition)
            found[place] = Offsets(
                begin=begins[place],
                end=ends[place],
                committed=each.offset if each.offset >= 0 else None,
                metadata=each.metadata or "",
                topic_id=ids[each.topic],
            )
        return found

    def _listed(self, places: Iterable[TopicPartition], which: OffsetSpec) -> dict[Partition, int]:
        futures = _settled(
            lambda: self._client.list_offsets(
                dict.fromkeys(places, which),
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=ANSWER_S,
            )
        )
        return {(place.topic, place.partition): _result(future).offset for place, future in futures.items()}


def _settled(ask: Callable[[], dict[K, Future[Any]]]) -> dict[K, Future[Any]]:
    """The answers. Asks again while a broker takes over a group or a partition, for `ANSWER_S` at most."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        futures = ask()
        if _TAKING_OVER.isdisjoint(map(code_of, futures.values())) or time.monotonic() > deadline:
            return futures
        time.sleep(_LOOK_AGAIN_S)


def _apis(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    for line in lines:
        if found := _API.search(line):
            yield int(found[1]), int(found[2])


def _topic(metadata: Any) -> Topic:
    partitions = metadata.partitions.values()
    return Topic(
        partitions=len(partitions),
        replicas=min(len(each.replicas) for each in partitions),
        in_sync=min(len(each.isrs) for each in partitions),
        leaderless=sum(each.leader < 0 for each in partitions),
    )


def _group(future: Future[Any]) -> Group:
    if code_of(future) == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return Group(protocol="UNKNOWN", assignor="", members=(), operations=frozenset())
    found = _result(future)
    members = tuple(
        Member(
            client_id=each.client_id,
            instance_id=each.group_instance_id or None,
            host=each.host.lstrip("/"),
            partitions=len(each.assignment.topic_partitions),
        )
        for each in found.members
    )
    return Group(
        protocol=found.type.name,
        assignor=found.partition_assignor,
        members=members,
        operations=_operations(found.authorized_operations),
    )


def _operations(allowed: Iterable[AclOperation] | None) -> frozenset[str] | None:
    return None if allowed is None else frozenset(each.name for each in allowed)


def _result(future: Future[Any]) -> Any:
    """The answer to a question. Raises HaltError."""
    try:
        return future.result()
    except KafkaException as error:
        raise HaltError(f"Kafka does not say this: {described(error.args[0])}") from error
