"""Rules about the brokers: whether they answer, and their release."""

from __future__ import annotations

from typing import Final

from journeys.doctor.report import Finding, fail, ok, warn
from journeys.kafka.cluster import CONSUMER_GROUP_HEARTBEAT, Cluster
from journeys.redact import without_credentials
from journeys.settings import Settings

_OLDEST: Final = (2, 5)
"""The first release whose transactions check the member of a group that commits (KIP-447)."""


def answer(settings: Settings, cluster: Cluster) -> Finding:
    """The brokers answered."""
    servers = without_credentials(settings.kafka.bootstrap_servers)
    brokers = "1 broker" if cluster.brokers == 1 else f"{cluster.brokers} brokers"
    return ok(f"{brokers}, asked at {servers}", values={"brokers": cluster.brokers})


def release(settings: Settings, cluster: Cluster) -> Finding:
    """Whether the brokers know everything that a worker asks of them."""
    if not cluster.apis:
        return warn("the brokers do not say which release they are")
    found = cluster.release
    values = {"release": None if found is None else f"{found[0]}.{found[1]}"}
    if found is None:
        oldest = ".".join(map(str, _OLDEST))
        return fail(f"older than Kafka {oldest}, which exactly-once needs", "use newer brokers", values=values)
    text = f"Kafka {found[0]}.{found[1]}, or one that speaks its protocol"
    if settings.kafka.group_protocol == "consumer" and CONSUMER_GROUP_HEARTBEAT not in cluster.apis:
        return fail(
            f"{text}: the brokers do not offer the group protocol `consumer`",
            "set JOURNEYS_KAFKA__GROUP_PROTOCOL=classic",
            values=values,
        )
    return ok(text, values=values)
