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
    kafka, known, permitted = ("kafka.brokers",), ("topics.settings",), ("rights.groups",)
    registry, reached = ("registry.answer",), ("api.answer",)
    native = settings.publish.native
    return [
        Check("settings.values", "settings", lambda: configuration.settings(settings, sources)),
        Check("settings.prefix", "topic prefix", lambda: configuration.prefix(settings)),
        Check("machine.memory", "memory limit", lambda: machine.memory(settings, facts.memory_limit_bytes)),
        Check("machine.encoder", "encoder", lambda: machine.encoder(settings, extension.language(wanted=native))),
        Check("kafka.brokers", "brokers", lambda: brokers.answer(settings, facts.cluster)),
        Check("kafka.release", "Kafka release", lambda: brokers.release(settings, facts.cluster), kafka),
        Check(TOPICS, "topics", lambda: topics.present(settings, facts.cluster, facts.existing), kafka),
        Check("topics.partitions", "partitions", lambda: topics.partitions(settings, facts.visible), kafka),
        Check(
            "topics.settings",
            "topic settings",
            lambda: topics.readable(settings, facts.visible, facts.topic_settings),
            kafka,
        ),
        Check(
            "topics.replication",
            "copies",
            lambda: topics.replication(settings, facts.cluster, facts.topic_settings),
            known,
        ),
        Check("topics.retention", "retention", lambda: topics.retention(settings, facts.topic_settings), known),
        Check("topics.cleanup", "cleanup policy", lambda: topics.cleanup(settings, facts.topic_settings), known),
        Check(
            "topics.record_size", "largest record", lambda: topics.record_size(settings, facts.topic_settings), known
        ),
        Check("rights.topics", "rights on topics", lambda: rights.on_topics(settings, facts.rights_on_topics), kafka),
        Check("rights.groups", "rights on groups", lambda: rights.on_groups(settings, facts.groups), kafka),
        Check("rights.transaction", "transaction", lambda: rights.transaction(facts.transaction()), kafka),
        Check("groups.members", "group members", lambda: groups.members(settings, facts.groups), permitted),
        Check("groups.offsets", "offsets", lambda: groups.offsets(settings, facts.offsets), permitted),
        Check("groups.lag", "lag", lambda: groups.lag(settings, facts.offsets), ("groups.offsets",)),
        Check(
            "registry.answer",
            "schema registry",
            lambda: schemas.answer(settings, facts.subjects),
            timeout_s=_REGISTRY_S,
        ),
        Check(SUBJECTS, "schemas", lambda: schemas.subjects(facts.subjects), registry),
        Check(
            "registry.compatibility",
            "compatibility",
            lambda: schemas.compatibility(facts.compatibility),
            registry,
            timeout_s=_REGISTRY_S,
        ),
        Check("api.answer", "API", lambda: api.answers(settings, facts.api), timeout_s=_API_S),
        Check("api.key", "API key", lambda: api.key(settings, facts.api), reached),
        Check("api.clock", "clock", lambda: api.clock(facts.api), reached),
    ]
