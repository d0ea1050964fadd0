"""Every setting, its default, what it may be, and what it means: the frozen values that the worker is built from.

A field's description is what `journeys config show` and docs/settings.md print. Durations are seconds and sizes are
bytes once loaded.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from journeys.settings.values import (
    AutoDuration,
    AutoRate,
    Brokers,
    Duration,
    Size,
    TierName,
    TopicName,
    WebAddress,
    parse_duration,
)

Scalar: TypeAlias = str | int | float | bool
ChannelName: TypeAlias = Literal[
    "ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other"
]
CodeMeaning: TypeAlias = Literal["auth", "pace", "passing", "absent", "order"]

_GIVEN_BY = {
    "bootstrap.servers": "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS",
    "metadata.broker.list": "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS",
    "group.id": "JOURNEYS_KAFKA__GROUP_ID",
    "group.protocol": "JOURNEYS_KAFKA__GROUP_PROTOCOL",
    "transaction.timeout.ms": "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT",
    "transactional.id": "JOURNEYS_KAFKA__INSTANCE_ID",
    "auto.offset.reset": "JOURNEYS_ORDERS__START",
}
"""librdkafka's names for what has a setting of its own."""
_RESERVED = frozenset(
    {
        "acks",
        "request.required.acks",
        "delivery.report.only.error",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "enable.partition.eof",
        "group.remote.assignor",
        "isolation.level",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "partition.assignment.strategy",
        "partitioner",
        "delivery.timeout.ms",
        "message.timeout.ms",
    }
)
"""What exactly-once rests on, librdkafka's aliases included."""
_DOCUMENTED = frozenset({"data.api.attribuly.com", "data-api.test.attribuly.com"})
"""The servers of the API's document. Its vendor speaks of 20 requests/s, and of data 10 to 30 minutes old."""
_DOCUMENTED_RATE = 20.0
_DOCUMENTED_SETTLE = 1800.0
_CLASSIC_ONLY = frozenset({"session.timeout.ms", "heartbeat.interval.ms"})


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class KafkaSettings(_Group):
    """The cluster, and this worker's place in it."""

    bootstrap_servers: Brokers = Field(default="localhost:9092", min_length=1)
    """Brokers to start from, host:port,…"""
    group_id: str = Field(default="journeys", min_length=1)
    """Consumer group; its workers share the work."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """`classic` (cooperative-sticky), or `consumer` (KIP-848, Kafka 4.0 and later)."""
    instance_id: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of this worker within the group, unique among those running; none: random at each start.
    A stable one lets a restarted worker free what its predecessor held within a second."""
    transaction_timeout: Duration = Field(default=10.0, ge=1, le=900)
    """How long the broker lets a vanished worker's transaction stand, 1s to 15m; a worker waits as long for its own,
    but for 30s at most."""
    config: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """More librdkafka settings, as JSON (TLS, SASL, tuning); those that exactly-once rests on are refused."""

    @field_validator("config")
    @classmethod
    def _leaves_exactly_once_alone(cls, config: dict[str, Scalar], info: ValidationInfo) -> dict[str, Scalar]:
        problems = [f"{key} has its own setting, {_GIVEN_BY[key]}" for key in config if key in _GIVEN_BY]
        problems += [f"{key} is not yours to set: exactly-once rests on it" for key in config if key in _RESERVED]
        if info.data.get("group_protocol") == "consumer":
            problems += [
                f"{key} belongs to the broker when the group protocol is `consumer`"
                for key in config
                if key in _CLASSIC_ONLY
            ]
        if problems:
            raise ValueError("; ".join(problems))
        return config


class OrdersSettings(_Group):
    """Where completed orders come from, and where those go that must wait or cannot be published."""

    topics: tuple[TopicName, ...] = Field(default=("orders.completed",), min_length=1)
    """Topics of completed orders, as a JSON list or a,b."""
    start: Literal["earliest", "latest", "error"] = "earliest"
    """Where a group without committed offsets starts; `error` refuses to start."""
    settle: AutoDuration = None
    """How old an order must be before it is taken; `auto`: 30m with the API's own servers, whose data are 10 to 30
    minutes old, and 0 with any other."""
    format: Literal["auto", "text", "json", "avro"] = "auto"
    """How order messages are written; `auto` tells the three forms apart by the first byte."""
    id_pointer: str = Field(default="/order_id", pattern=r"^(/([^~/]|~0|~1)*)+$")
    """Where a message holds the order id (JSON Pointer)."""
    max_in_hand: int = Field(default=1000, ge=1, le=1_000_000)
    """Orders a worker holds at once, at most."""
    max_bytes_in_hand: Size = Field(default=40 * 2**20, ge=2**20)
    """Memory that orders in hand may take, about; a journey that takes more by itself is read all the same."""
    map_limit: int = Field(default=4000, ge=64, le=4095)
    """Longest map of finished orders in a commit, in characters (Kafka: 4,095)."""
    retry_tiers: tuple[TierName, ...] = ("1m", "10m", "1h")
    """Delays after the quick tries, ascending; a topic each. [] for none."""
    retry_prefix: TopicName = "orders.retry."
    """Topics of the retry tiers: this and the delay."""
    dead_letter: TopicName = "orders.dead-letter"
    """Topic of orders that cannot be published."""
    flood_run: int = Field(default=50, ge=0)
    """So many dead letters in a row shut the gate, until `journeys dead-letters resume`; 0: never."""
    flood_share: float = Field(default=0.5, ge=0, le=1)
    """Such a share of at least 100 orders within 5 minutes does the same; 0: never."""

    @field_validator("topics")
    @classmethod
    def _each_once(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(topics)) < len(topics):
            raise ValueError("names a topic twice")
        return topics

    @field_validator("retry_tiers")
    @classmethod
    def _ascending(cls, tiers: tuple[str, ...]) -> tuple[str, ...]:
        delays = [parse_duration(tier) for tier in tiers]
        if any(later <= earlier for earlier, later in pairwise(delays)):
            raise ValueError("must grow from tier to tier")
        return tiers

    @property
    def tiers(self) -> tuple[tuple[str, float], ...]:
        """Topic and delay in seconds of each retry tier, in ascending order of delay."""
        return tuple((f"{self.retry_prefix}{tier}", parse_duration(tier)) for tier in self.retry_tiers)


class ApiSettings(_Group):
    """The order-event API, and how hard it may be asked."""

    base_url: WebAddress = "https://data.api.attribuly.com"
    """Address of the order-event API."""
    version: str = Field(default="v2-4-2", pattern=r"^[A-Za-z0-9._-]+$")
    """Version, the first part of its path."""
    account: str = Field(default="default", min_length=1, max_length=200)
    """Name of the key's account, on every record."""
    key: SecretStr | None = None
    """Key, sent as the `ApiKey` header; none: no such header."""
    key_file: Path | None = None
    """File that holds the key, instead of the key itself."""
    page_size: int = Field(default=100, ge=1, le=10_000)
    """Events asked for per page."""
    rate: AutoRate = None
    """Requests per second, at most; 0: no bound but what the API answers with 429. `auto`: 20 with the API's own
    servers, 0 with any other. A worker knows of no other worker: where several share an account, divide."""
    max_concurrency: int = Field(default=128, ge=1, le=10_000)
    """Requests in flight at once, at most."""
    pages_per_order: int = Field(default=8, ge=1, le=1000)
    """Pages of one order fetched side by side, at most."""
    connect_timeout: Duration = Field(default=5.0, gt=0)
    """Longest wait for a connection."""
    read_timeout: Duration = Field(default=30.0, gt=0)
    """Longest silence while an answer is awaited."""
    total_timeout: Duration = Field(default=60.0, gt=0)
    """Longest time for one request, to its last byte."""
    tries: int = Field(default=4, ge=1, le=100)
    """Quick tries of a request before its order waits in a tier."""
    max_events: int = Field(default=10_000, ge=1)
    """A journey of more events goes to the dead letters."""
    max_page_bytes: Size = Field(default=32 * 2**20, ge=2**10)
    """A larger page goes to the dead letters."""
    empty_after: tuple[Duration, ...] = (60.0, 600.0)
    """Waits for an absent journey before it counts as empty. [] for none."""
    codes: dict[int, CodeMeaning] = Field(default_factory=dict)
    """What a `code` other than 1 means, as JSON: auth, pace, passing, absent or order. Others are `passing`."""
    zone: str = "UTC"
    """Time zone of event times that name none."""

    @field_validator("key", mode="before")
    @classmethod
    def _fits_a_header(cls, key: Any) -> Any:
        if isinstance(key, str) and not (key.strip().isascii() and key.strip().isprintable() and key.strip()):
            raise ValueError("must be printable ASCII, and not empty")
        return key.strip() if isinstance(key, str) else key

    @field_validator("key_file")
    @classmethod
    def _only_one_key(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("key") is not None:
            raise ValueError("the key is given too: leave one of the two out")
        if path is not None:
            _read_key(path)
        return path

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            _zone(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone such as UTC or Europe/Paris") from None
        return zone

    @property
    def is_documented(self) -> bool:
        """Whether this is one of the servers that the API's document names."""
        return urlsplit(self.base_url).hostname in _DOCUMENTED

    @property
    def ceiling(self) -> float | None:
        """Requests per second, at most; None where no bound is known."""
        rate = self.rate if self.rate is not None else _DOCUMENTED_RATE * self.is_documented
        return rate or None

    @property
    def tzinfo(self) -> tzinfo:
        """The zone of event times that name none."""
        return _zone(self.zone)

    @property
    def has_key(self) -> bool:
        """Whether a key is set, in whichever way."""
        return self.key is not None or self.key_file is not None

    def current_key(self) -> str | None:
        """The key, read from its file at each call: a new one is found. Raises ValueError, never with its text."""
        if self.key_file is not None:
            return _read_key(self.key_file)
        return self.key.get_secret_value() if self.key is not None else None


class RegistrySettings(_Group):
    """The schema registry (Confluent's API)."""

    url: WebAddress = Field(default="http://localhost:8081", repr=False)
    """Address of the schema registry."""
    config: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """More settings of its client, as JSON, such as basic.auth.user.info or ssl.ca.location."""

    @field_validator("config")
    @classmethod
    def _address_has_its_own(cls, config: dict[str, Scalar]) -> dict[str, Scalar]:
        if "url" in config:
            raise ValueError("url has its own setting, JOURNEYS_REGISTRY__URL")
        return config


class PublishSettings(_Group):
    """What goes out."""

    topic_prefix: TopicName = "journey."
    """Topics of events: this and the channel."""
    aliases: dict[str, ChannelName] = Field(default_factory=dict)
    """More spellings of channels, as JSON: {"newsletter": "email"}."""
    linger: Duration = Field(default=0.1, le=10)
    """How long finished orders gather before a transaction, while others are on their way."""
    max_records: int = Field(default=20_000, ge=1)
    """Records in hand that start a transaction at once."""
    native: bool = True
    """Encode in C, where the installation can; false: by fastavro, the same bytes."""


class LogsSettings(_Group):
    """What is written to stderr."""

    format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lines below it are left out."""


class OpsSettings(_Group):
    """The HTTP server for health and metrics, and to stop the intake and go on."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; 0.0.0.0 in a container."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0: any free one, named in the log."""
    stalled_after: Duration = Field(default=60.0, ge=1)
    """Silence of a thread after which it counts as stuck: that is logged, and /healthz fails."""


class Settings(_Group):
    """All settings, checked against one another."""

    kafka: KafkaSettings = KafkaSettings()
    orders: OrdersSettings = OrdersSettings()
    api: ApiSettings = ApiSettings()
    registry: RegistrySettings = RegistrySettings()
    publish: PublishSettings = PublishSettings()
    ops: OpsSettings = OpsSettings()
    logs: LogsSettings = LogsSettings()

    @property
    def settle(self) -> float:
        """How old an order must be before it is taken, in seconds."""
        return self.orders.settle if self.orders.settle is not None else _DOCUMENTED_SETTLE * self.api.is_documented

    @model_validator(mode="after")
    def _topics_do_not_feed_back(self) -> Self:
        ours = {self.orders.dead_letter, *(topic for topic, _ in self.orders.tiers)}
        for topic in self.orders.topics:
            if topic in ours or topic.startswith(self.publish.topic_prefix):
                raise PydanticCustomError(
                    "feedback",
                    "{topic} is also written to by the worker: orders would go round in circles",
                    {"topic": topic, "setting": "orders.topics"},
                )
        return self


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC needs no time zone database


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        key = ""
    if not key or not key.isprintable():
        raise ValueError("must hold one line of printable ASCII")
    return key
