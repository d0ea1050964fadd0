"""The list of all checks: their ids, which never change, and what each needs."""

from __future__ import annotations

from collections.abc import Mapping

from journeys.doctor import api, brokers, configuration, groups, machine, rights, schemas, topics
from journeys.doctor.examine import Check
from journeys.doctor.facts import Facts
from journeys.producer.encoding import extension
from journeys.settings import Settings

TOPICS = "topics.present"
SUBJECTS = "registry.subjects"

_REGISTRY_S = 20.0
"""The registry's client tries three times, 5 s each."""
_API_S = 15.0


def all_checks(settings: Settings, sources: Mapping[str, str], facts: Facts) -> list[Check]:
    """All checks for a worker of these settings. `sources`: the source of each setting, as `Loaded` has them."""
    return [
        *_local(settings, sources, facts),
        *_kafka(settings, facts),
        *_topics(settings, facts),
        *_rights(settings, facts),
        *_groups(settings, facts),
        *_registry(settings, facts),
        *_api(settings, facts),
    ]


def _local(settings: Settings, sources: Mapping[str, str], facts: Facts) -> list[Check]:
    return [
        Check(
            id="settings.values",
            title="settings",
            look=lambda: configuration.settings(settings, sources),
        ),
        Check(
            id="settings.prefix",
            title="topic prefix",
            look=lambda: configuration.prefix(settings),
        ),
        Check(
            id="machine.memory",
            title="memory limit",
            look=lambda: machine.memory(settings, facts.memory_limit_bytes),
        ),
        Check(
            id="machine.encoder",
            title="encoder",
            look=lambda: machine.encoder(settings, extension.language(wanted=settings.publish.native)),
        ),
    ]


def _kafka(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id="kafka.brokers",
            title="brokers",
            look=lambda: brokers.answer(settings, facts.cluster),
        ),
        Check(
            id="kafka.release",
            title="Kafka release",
            needs=("kafka.brokers",),
            look=lambda: brokers.release(settings, facts.cluster),
        ),
    ]


def _topics(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id=TOPICS,
            title="topics",
            needs=("kafka.brokers",),
            look=lambda: topics.present(settings, facts.cluster, facts.existing),
        ),
        Check(
            id="topics.partitions",
            title="partitions",
            needs=("kafka.brokers",),
            look=lambda: topics.partitions(settings, facts.visible),
        ),
        Check(
            id="topics.settings",
            title="topic settings",
            needs=("kafka.brokers",),
            look=lambda: topics.readable(settings, facts.visible, facts.topic_settings),
        ),
        Check(
            id="topics.replication",
            title="copies",
            needs=("topics.settings",),
            look=lambda: topics.replication(settings, facts.cluster, facts.topic_settings),
        ),
        Check(
            id="topics.retention",
            title="retention",
            needs=("topics.settings",),
            look=lambda: topics.retention(settings, facts.topic_settings),
        ),
        Check(
            id="topics.cleanup",
            title="cleanup policy",
            needs=("topics.settings",),
            look=lambda: topics.cleanup(settings, facts.topic_settings),
        ),
        Check(
            id="topics.record_size",
            title="largest record",
            needs=("topics.settings",),
            look=lambda: topics.record_size(settings, facts.topic_settings),
        ),
    ]


def _rights(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id="rights.topics",
            title="rights on topics",
            needs=("kafka.brokers",),
            look=lambda: rights.on_topics(settings, facts.rights_on_topics),
        ),
        Check(
            id="rights.groups",
            title="rights on groups",
            needs=("kafka.brokers",),
            look=lambda: rights.on_groups(settings, facts.groups),
        ),
        Check(
            id="rights.transaction",
            title="transaction",
            needs=("kafka.brokers",),
            look=lambda: rights.transaction(facts.transaction()),
        ),
    ]


def _groups(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id="groups.members",
            title="group members",
            needs=("rights.groups",),
            look=lambda: groups.members(settings, facts.groups),
        ),
        Check(
            id="groups.offsets",
            title="offsets",
            needs=("rights.groups",),
            look=lambda: groups.offsets(settings, facts.offsets),
        ),
        Check(
            id="groups.lag",
            title="lag",
            needs=("groups.offsets",),
            look=lambda: groups.lag(settings, facts.offsets),
        ),
    ]


def _registry(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id="registry.answer",
            title="schema registry",
            look=lambda: schemas.answer(settings, facts.subjects),
            timeout_s=_REGISTRY_S,
        ),
        Check(
            id=SUBJECTS,
            title="schemas",
            needs=("registry.answer",),
            look=lambda: schemas.subjects(facts.subjects),
        ),
        Check(
            id="registry.compatibility",
            title="compatibility",
            needs=("registry.answer",),
            look=lambda: schemas.compatibility(facts.compatibility),
            timeout_s=_REGISTRY_S,
        ),
    ]


def _api(settings: Settings, facts: Facts) -> list[Check]:
    return [
        Check(
            id="api.answer",
            title="API",
            look=lambda: api.answers(settings, facts.api),
            timeout_s=_API_S,
        ),
        Check(
            id="api.key",
            title="API key",
            needs=("api.answer",),
            look=lambda: api.key(settings, facts.api),
        ),
        Check(
            id="api.clock",
            title="clock",
            needs=("api.answer",),
            look=lambda: api.clock(facts.api),
        ),
    ]
