"""The schemas of `schemas/`, made self-contained: in this form they are registered, encoded by and documented.

A file holds one record and refers to others by full name (`journeys.v1.Ad`). This module replaces each first reference
by the definition, so that a registry needs nothing else to read the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from journeys.model import Json
from journeys.producer.channels import Channel

NAMESPACE: Final = "journeys.v1"
SUMMARY: Final = "summary"
REJECTED: Final = "rejected"
REMEDY: Final = "journeys schemas register"
"""The command that registers schemas which are missing."""

RECORDS: Final[Mapping[str, str]] = {
    Channel.ADS: "AdsEvent",
    Channel.EMAIL: "EmailEvent",
    Channel.SOCIAL_MEDIA: "SocialMediaEvent",
    Channel.ORGANIC_SEARCH: "OrganicSearchEvent",
    Channel.REFERRAL: "ReferralEvent",
    Channel.INFLUENCER: "InfluencerEvent",
    Channel.DIRECT: "DirectEvent",
    Channel.OTHER: "OtherEvent",
    SUMMARY: "JourneySummary",
    REJECTED: "RejectedEvent",
}
"""End of a topic's name → the record type that the topic holds: every topic that the worker publishes to."""


def topic(prefix: str, name: str) -> str:
    """The topic of a channel, of the summaries or of the rejected events."""
    return prefix + name


def subject(prefix: str, name: str) -> str:
    """The registry's subject for the values of a topic."""
    return f"{topic(prefix, name)}-value"


def directory() -> Path:
    """The directory of the `.avsc` files: inside an installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parents[1] / "schemas"


def definition(record: str) -> dict[str, Any]:
    """A record's schema as its file has it: other types are named, not written out. Raises FileNotFoundError."""
    schema: dict[str, Any] = json.loads((directory() / f"{record}.avsc").read_text("utf-8"))
    return schema


def load(record: str) -> dict[str, Any]:
    """A record's schema, self-contained, as decoded JSON. Raises FileNotFoundError for an unknown record."""
    schema: dict[str, Any] = _expanded(definition(record), set())
    return schema


@cache
def text(record: str) -> str:
    """A record's schema as it is registered: always the same bytes, since a registry may compare them."""
    return json.dumps(load(record), ensure_ascii=False, separators=(",", ":"))


def _expanded(schema: Json, seen: set[str]) -> Json:
    """The schema with the first reference to each named type replaced by its definition."""
    if isinstance(schema, list):
        return [_expanded(branch, seen) for branch in schema]
    if isinstance(schema, dict):
        return _definition(schema, seen)
    name = str(schema).removeprefix(f"{NAMESPACE}.")
    if name == schema or schema in seen:
        return schema
    return _expanded(definition(name), seen)


def _definition(schema: dict[str, Any], seen: set[str]) -> dict[str, Any]:
    if schema["type"] == "array":
        return schema | {"items": _expanded(schema["items"], seen)}
    if schema["type"] != "record":
        return schema
    seen.add(f"{NAMESPACE}.{schema['name']}")
    fields = [field | {"type": _expanded(field["type"], seen)} for field in schema["fields"]]
    return schema | {"fields": fields}
