"""Lists, describes and creates topics: the only door to confluent_kafka's AdminClient."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # undeclared
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from journeys.consumer.offset_map import NO_ID
from journeys.errors import HaltError, SettingsError, SetupError
from journeys.kafka.topics import TopicSpec
from journeys.redact import without_credentials
from journeys.settings import Settings

ANSWER_S = 6.0
"""Seconds to wait for a first answer."""
_WORK_S = 30.0
"""Seconds for the broker to create topics."""
_LOOK_AGAIN = 0.05
_NO_ANSWER = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001
"""The codes of a request that no broker answered."""

_GREETING = "in state APIVERSION_QUERY"
"""librdkafka's words for a connection that ended before the broker understood anything. It only logs this."""
_WANTS_TLS = "it closes connections before a first answer: does it want TLS (security.protocol)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicIds:
    """An answer of the brokers. A topic about which they did not answer in time is in none of these."""

    ids: Mapping[str, str]
    """The id of each topic that exists, as Kafka writes it: 22 characters."""
    missing: frozenset[str]
    """Topics that do not exist."""
    without: Mapping[str, str]
    """Topics without an id, each with the reason."""


AskTopicIds: TypeAlias = Callable[[Sequence[str]], Callable[[], TopicIds | None]]
"""Asks for the ids of topics. Call the result for the answer, which is None until it is there. Neither call blocks."""


class _Log(logging.Handler):
    """Keeps librdkafka's last log line, and all debug lines if they are wanted, instead of writing them."""

    def __init__(self, *, with_debug: bool) -> None:
        super().__init__()
        self.last = ""
        """An error says the same as this line, except for `_GREETING`."""
        self.debug: list[str] = []
        self._with_debug = with_debug

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if record.levelno > logging.DEBUG:
            self.last = record.getMessage()
        elif self._with_debug:
            self.debug.append(record.getMessage())


class AdminConnection:
    """A connection to one cluster. `debug` names librdkafka's debug contexts whose lines are kept.

    Raises SettingsError if librdkafka refuses a property.
    """

    def __init__(self, settings: Settings, *, debug: str = "") -> None:
        self._servers = settings.kafka.bootstrap_servers
        self._trouble = ""
        self._log = _Log(with_debug=bool(debug))
        logger = logging.Logger("librdkafka")  # noqa: LOG001 - of this client alone
        logger.addHandler(self._log)
        config: dict[str, Any] = {
            **settings.kafka.config,
            "bootstrap.servers": self._servers,
            "allow.auto.create.topics": False,
            "error_cb": self._note,
            **({"debug": debug} if debug else {}),
        }
        try:
            self.client = AdminClient(config, logger=logger)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", reason_of(error))]) from None

    def metadata(self) -> ClusterMetadata:
        """The brokers and the topics that this client may see. Raises SetupError if no broker answers."""
        try:
            return self.client.list_topics(timeout=ANSWER_S)
        except KafkaException as error:
            self.client.poll(0)
            why = self._trouble or (_WANTS_TLS if _GREETING in self._log.last else reason_of(error))
            raise SetupError(
                f"no broker answers at {without_credentials(f'{self._servers} ({why})')}; "
                "is Kafka running, and are JOURNEYS_KAFKA__BOOTSTRAP_SERVERS and JOURNEYS_KAFKA__CONFIG right?",
            ) from None

    def debug_lines(self) -> list[str]:
        """The lines of librdkafka's debug contexts so far."""
        self.client.poll(0)
        return self._log.debug

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes are named so
            self._trouble = error.str()


class KafkaAdmin:
    """Administers one cluster. Raises SettingsError if librdkafka refuses a property."""

    def __init__(self, settings: Settings) -> None:
        self._connection = AdminConnection(settings)
        self._client = self._connection.client

    def topics(self, *wanted: str) -> dict[str, int]:
        """The partition count of every topic that this client may see.

        Raises SetupError if no broker answers, or if an ACL hides one of the `wanted` topics.
        """
        metadata = self._connection.metadata()
        found = {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}
        if hidden := self._hidden([name for name in wanted if name not in found]):
            raise SetupError(
                f"this client may not see these topics, if they exist: {', '.join(hidden)} "
                "(ACL: Describe on the topic, which Read and Write include)"
            )
        return found

    def ask_ids(self, names: Sequence[str]) -> Callable[[], TopicIds | None]:
        """As `AskTopicIds`."""
        self._client.poll(0)  # librdkafka keeps log lines and errors until then
        asked = self._client.describe_topics(TopicCollection([*names]), request_timeout=ANSWER_S)

        def answer() -> TopicIds | None:
            return _topic_ids(asked) if all(future.done() for future in asked.values()) else None

        return answer

    def _hidden(self, names: list[str]) -> list[str]:
        """Those of the topics that an ACL hides: the broker leaves them out, and refuses them if asked by name."""
        asked = self._client.describe_topics(TopicCollection(names), request_timeout=ANSWER_S) if names else {}
        return [name for name, future in asked.items() if code_of(future) == KafkaError.TOPIC_AUTHORIZATION_FAILED]

    def remembers_offsets(self) -> float | None:
        """Seconds that Kafka keeps the offsets of a group without members. None if this client may not ask."""
        try:
            brokers = self._client.list_topics(timeout=ANSWER_S).brokers
            resource = ConfigResource(ResourceType.BROKER, str(next(iter(brokers))))
            [future] = self._client.describe_configs([resource], request_timeout=ANSWER_S).values()
            minutes = future.result(ANSWER_S)["offsets.retention.minutes"].value
            return float(minutes) * 60
        except (KafkaException, KeyError, StopIteration, TimeoutError, TypeError, ValueError):
            return None

    def create(self, specs: Iterable[TopicSpec], *, dry_run: bool = False) -> dict[str, bool]:
        """Create topics. Returns for each whether it is new. With `dry_run` the broker only checks them.

        Waits until the broker lists the topics: in KRaft, some milliseconds after their creation. Raises HaltError that
        names each topic that the broker refuses.
        """
        new = [
            NewTopic(
                spec.name,
                num_partitions=spec.partitions,
                replication_factor=spec.replication_factor,
                config=dict(spec.config),
            )
            for spec in specs
        ]
        if not new:
            return {}
        futures = self._client.create_topics(
            new, operation_timeout=_WORK_S, request_timeout=_WORK_S, validate_only=dry_run
        )
        created = {name: code_of(future) != KafkaError.TOPIC_ALREADY_EXISTS for name, future in futures.items()}
        _refuse({name: future for name, future in futures.items() if created[name]}, "ACL: Create on the topic")
        if not dry_run:
            self._await({topic.topic: topic.num_partitions for topic in new if created[topic.topic]})
        return created

    def grow(self, counts: Mapping[str, int], *, dry_run: bool = False) -> None:
        """Give each of these topics so many partitions in total. With `dry_run` the broker only checks the request.

        Waits until the broker lists them. Raises HaltError that names each topic that the broker refuses.
        """
        if not counts:
            return
        wanted = [NewPartitions(topic, count) for topic, count in counts.items()]
        futures = self._client.create_partitions(
            wanted, operation_timeout=_WORK_S, request_timeout=_WORK_S, validate_only=dry_run
        )
        _refuse(futures, "ACL: Alter on the topic")
        if not dry_run:
            self._await(counts)

    def _await(self, counts: Mapping[str, int]) -> None:
        deadline = time.monotonic() + _WORK_S
        while late := counts.items() - self.topics().items():
            if time.monotonic() > deadline:
                names = ", ".join(sorted(name for name, _ in late))
                raise HaltError(f"the broker changed topics, but does not list them so: {names}")
            time.sleep(_LOOK_AGAIN)


def _topic_ids(answered: Mapping[str, Future[Any]]) -> TopicIds:
    ids: dict[str, str] = {}
    missing: set[str] = set()
    without: dict[str, str] = {}
    for topic, future in answered.items():
        error = future.exception()
        if error is None:
            topic_id = str(future.result().topic_id)
            if topic_id == NO_ID:
                without[topic] = "the brokers are older than Kafka 2.8"
            else:
                ids[topic] = topic_id
        elif code_of(future) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            missing.add(topic)
        elif isinstance(error, KafkaException) and code_of(future) not in _NO_ANSWER:
            without[topic] = reason_of(error)
    return TopicIds(ids=ids, missing=frozenset(missing), without=without)


def code_of(future: Future[Any]) -> int | None:
    """The code of the error that a request ended with, None if it succeeded."""
    error = future.exception()
    return error.args[0].code() if isinstance(error, KafkaException) else None


def _refuse(futures: Mapping[str, Future[Any]], right: str) -> None:
    """Raise HaltError for the topics that the broker refuses, each reason once; `right` is the ACL they may lack."""
    refused: dict[str, list[str]] = {}
    for name, future in futures.items():
        if isinstance(error := future.exception(), KafkaException):
            hint = f" ({right})" if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else ""
            refused.setdefault(reason_of(error).rstrip(".") + hint, []).append(name)
    if refused:
        listed = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in refused.items())
        raise HaltError(f"the broker refuses topics: {listed}")


def reason_of(error: KafkaException) -> str:
    """The text of the error, or its name without one."""
    return str(error.args[0].str() or error.args[0].name())
