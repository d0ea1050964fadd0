"""Rules about the settings themselves. Wrong settings never come here: they end every command with exit code 2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from journeys.doctor.report import Finding, ok, warn
from journeys.kafka.topics import misread_topics
from journeys.settings import Settings
from journeys.settings.loading import env_name

_SOURCES = {"env": "in the environment", "file": "in the file"}


def settings(loaded: Settings, sources: Mapping[str, str]) -> Finding:
    """How many settings are not at their default, and the meaning of each `auto`. `sources`: key → env or file."""
    counts = Counter(sources.values())
    parts = [f"{counts[source]} {place}" for source, place in _SOURCES.items() if counts[source]]
    autos = {env_name(*key.split(".")): meaning for key, meaning in loaded.autos.items()}
    meanings = [f"{name}=auto is {meaning}" for name, meaning in autos.items()]
    return ok("; ".join([" and ".join(parts) or "all at their defaults", *meanings]), values=autos)


def prefix(loaded: Settings) -> Finding:
    """Whether a consumer that subscribes to the prefix of the journey topics reads order topics as events."""
    begin = loaded.publish.topic_prefix
    if misread := misread_topics(loaded):
        return warn(
            f"consumers that subscribe to {begin}* would read {', '.join(misread)} as events",
            "let consumers subscribe to the journey topics by name, or change JOURNEYS_PUBLISH__TOPIC_PREFIX",
        )
    return ok(f"only topics of events begin with {begin}")
