"""Rules about rights."""

from __future__ import annotations

import re
from pathlib import Path

from journeys.doctor import rights
from journeys.doctor.report import Status
from journeys.kafka.cluster import Group
from journeys.settings import load

SETTINGS = load(None, {})
ALL = frozenset({"READ", "WRITE", "DESCRIBE"})
PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")


def group(operations: frozenset[str] | None) -> Group:
    """A group without members."""
    return Group(protocol="CLASSIC", assignor="", members=(), operations=operations)


def test_wanted_rights_are_those_of_the_security_page() -> None:
    """The table of `journeys run` names topics, some by a prefix."""
    [section] = re.findall(r"^### journeys run\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    listed = re.findall(r"^\| topic \| `([^`]+)` \| (\w+) \|", section, re.MULTILINE)
    wanted = {
        (topic, operation)
        for topic, operations in rights.wanted_on_topics(SETTINGS).items()
        for operation in operations
    }
    for topic, operation in wanted:
        assert any(
            operation == right.upper() and (topic.startswith(name[:-1]) if name.endswith("*") else topic == name)
            for name, right in listed
        ), (topic, operation)
    groups = re.findall(r"^\| group \| `([^`]+)` \| Read \|", section, re.MULTILINE)
    assert groups == [*rights.group_names(SETTINGS)]


def test_missing_right_on_a_topic_is_named_with_the_command_that_grants_it() -> None:
    """A hidden topic has no rights at all; one that does not exist is the business of another check."""
    found = dict.fromkeys(rights.wanted_on_topics(SETTINGS), ALL)
    assert rights.on_topics(SETTINGS, found).status is Status.OK
    del found["journey.email"]
    lacking = rights.on_topics(SETTINGS, {**found, "journey.ads": frozenset({"READ"}), "orders.completed": frozenset()})
    assert lacking.status is Status.FAIL
    assert lacking.detail == "this client lacks Read on orders.completed, Write on journey.ads"
    assert lacking.remedy is not None
    assert "--operation Read --topic orders.completed" in lacking.remedy


def test_silent_brokers_skip_the_check() -> None:
    """Brokers before Kafka 2.3 do not say what a client may do."""
    assert rights.on_topics(SETTINGS, dict.fromkeys(rights.wanted_on_topics(SETTINGS))).status is Status.SKIPPED
    assert rights.on_topics(SETTINGS, {}).status is Status.SKIPPED
    assert rights.on_groups(SETTINGS, {"journeys": group(None)}).status is Status.SKIPPED


def test_missing_right_on_a_group_fails() -> None:
    """Each of the two groups needs Read."""
    fine, hidden = group(ALL), group(frozenset())
    assert rights.on_groups(SETTINGS, {"journeys": fine, "journeys.retry": fine}).status is Status.OK
    lacking = rights.on_groups(SETTINGS, {"journeys": fine, "journeys.retry": hidden})
    assert (lacking.status, lacking.detail) == (Status.FAIL, "this client lacks Read on journeys.retry")


def test_without_tiers_there_is_one_group() -> None:
    """No worker reads a retry topic then."""
    assert rights.group_names(load(None, {"JOURNEYS_ORDERS__RETRY_TIERS": "[]"})) == ("journeys",)
