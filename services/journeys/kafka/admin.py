"""Lists and creates topics: the only door to confluent_kafka's AdminClient."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # undeclared
from confluent_kafka.cimpl import NewTopic

from journeys.errors import HaltError, SettingsError, SetupError
from journeys.kafka.topics import TopicSpec
from journeys.redact import without_credentials
from journeys.settings import Settings

_ANSWER = 6.0
"""Seconds to wait for a first answer."""
_WORK = 30.0
"""Seconds for the broker to create topics."""
_LOOK_AGAIN = 0.05

_silent = logging.getLogger("journeys.kafka.admin")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False  # an error already says what librdkafka's own log lines say


class KafkaAdmin:
    """Administers one cluster. Raises SettingsError for a property that librdkafka refuses."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka.bootstrap_servers
        self._trouble: list[str] = []
        config: dict[str, Any] = {
            **settings.kafka.config,
            "bootstrap.servers": self._servers,
            "error_cb": self._note,
        }
        try:
            self._client = AdminClient(config, logger=_silent)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", _reason(error))]) from None

    def topics(self) -> dict[str, int]:
        """The partition count of every topic. Raises SetupError if no broker answers."""
        try:
            metadata = self._client.list_topics(timeout=_ANSWER)
        except KafkaException as error:
            self._client.poll(0)
            why = self._trouble[-1] if self._trouble else _reason(error)
            raise SetupError(
                f"no broker answers at {without_credentials(f'{self._servers} ({why})')}; "
                "is Kafka running, and are JOURNEYS_KAFKA__BOOTSTRAP_SERVERS and JOURNEYS_KAFKA__CONFIG right?",
            ) from None
        return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

    def remembers_offsets(self) -> float | None:
        """Seconds that Kafka keeps the offsets of a group without members. None if this client may not ask."""
        try:
            brokers = self._client.list_topics(timeout=_ANSWER).brokers
            resource = ConfigResource(ResourceType.BROKER, str(next(iter(brokers))))
            [future] = self._client.describe_configs([resource], request_timeout=_ANSWER).values()
            minutes = future.result(_ANSWER)["offsets.retention.minutes"].value
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
        futures = self._client.create_topics(new, operation_timeout=_WORK, request_timeout=_WORK, validate_only=dry_run)
        created: dict[str, bool] = {}
        refused: dict[str, list[str]] = {}
        for name, future in futures.items():
            try:
                future.result()
                created[name] = True
            except KafkaException as error:
                created[name] = False
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    refused.setdefault(_reason(error), []).append(name)
        if refused:
            told = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in refused.items())
            raise HaltError(f"the broker refuses topics: {told}")
        if not dry_run:
            self._await(set(created))
        return created

    def _await(self, names: set[str]) -> None:
        deadline = time.monotonic() + _WORK
        while missing := names - self.topics().keys():
            if time.monotonic() > deadline:
                raise HaltError(f"the broker created topics, but does not list them: {', '.join(sorted(missing))}")
            time.sleep(_LOOK_AGAIN)

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes are named so
            self._trouble.append(error.str())
            del self._trouble[:-1]


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str() or error.args[0].name())
