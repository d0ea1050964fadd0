"""Every setting with its default, its limits and its meaning.

`journeys config show` and docs/settings.md print the docstring of each field. Loaded durations are in seconds, sizes
in bytes.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from journeys.settings.librdkafka import unfit
from journeys.settings.values import (
    AutoDuration,
    AutoRate,
    Brokers,
    Duration,
    Size,
    TierName,
    TopicName,
    WebAddress,
    format_duration,
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
"""librdkafka properties that have a setting of their own."""
_RESERVED = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
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
"""Properties that exactly-once depends on, librdkafka's aliases included. Without a topic's right number of partitions
an order has no place."""
_TAKEN_IDS = frozenset({"doctor", "replay", "start"})
"""The instance ids of the producers that are not a worker's: a worker with one of these would be fenced by them."""
_DOCUMENTED = frozenset({"data.api.attribuly.com", "data-api.test.attribuly.com"})
"""The servers of the API document. The vendor allows 20 requests/s and says that data is 10 to 30 minutes old."""
_DOCUMENTED_RATE = 20.0
_DOCUMENTED_SETTLE_S = 1800.0
_CLASSIC_ONLY = frozenset({"session.timeout.ms", "heartbeat.interval.ms"})


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class KafkaSettings(_Group):
    """The cluster, and this worker's place in it."""

    bootstrap_servers: Brokers = Field(default="localhost:9092", min_length=1)
    """Brokers to connect to first, host:port,…"""
    group_id: str = Field(default="journeys", min_length=1)
    """Consumer group; its workers share the work."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """`classic` (cooperative-sticky), or `consumer` (KIP-848, Kafka 4.0 and later)."""
    instance_id: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of this worker, unique in the group; none: random at each start. With a stable name, a restarted worker
    frees the offsets of its predecessor within a second."""
    static: bool = False
    """Keep the partitions of this worker for 45s while it restarts (static membership). Needs
    JOURNEYS_KAFKA__INSTANCE_ID and the group protocol `classic`."""
    transaction_timeout: Duration = Field(default=10.0, ge=1, le=900)
    """The broker aborts the transaction of a vanished worker after this time, 1s to 15m. A worker waits as long for its
    own transactions, at most 30s."""
    config: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """More librdkafka properties, as JSON (TLS, SASL, tuning). Properties that exactly-once depends on are refused."""

    @field_validator("instance_id")
    @classmethod
    def _is_a_name_of_its_own(cls, instance_id: str | None) -> str | None:
        if instance_id in _TAKEN_IDS:
            raise ValueError(f"{instance_id!r} is the name of another producer of this group: choose another one")
        return instance_id

    @field_validator("static")
    @classmethod
    def _has_a_name_that_stays(cls, static: bool, info: ValidationInfo) -> bool:
        if static and info.data.get("group_protocol") == "consumer":
            # Kafka refuses a restarted member for ever while the id of a killed one is not released.
            raise ValueError("works with JOURNEYS_KAFKA__GROUP_PROTOCOL=classic only")
        if static and info.data.get("instance_id") is None:
            raise ValueError("needs JOURNEYS_KAFKA__INSTANCE_ID, a name that stays at a restart")
        return static

    @field_validator("config", mode="before")
    @classmethod
    def _leaves_exactly_once_alone(cls, config: Any, info: ValidationInfo) -> Any:
        if not isinstance(config, dict):
            return config
        problems = [problem for key in config if (problem := unfit(key)) is not None]
        problems += [f"{key} has its own setting, {_GIVEN_BY[key]}" for key in config if key in _GIVEN_BY]
        problems += [f"{key} cannot be set: exactly-once depends on it" for key in config if key in _RESERVED]
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
    """The topics that completed orders come from, wait in, and end in if they cannot be published."""

    topics: tuple[TopicName, ...] = Field(default=("orders.completed",), min_length=1)
    """Topics of completed orders, as a JSON list or a,b."""
    start: Literal["earliest", "latest", "error"] = "earliest"
    """Start position in an order topic in which the group has no committed offset; `error` refuses to start. Decided
    before a worker joins the group: a partition that is added later is read from its beginning."""
    settle: AutoDuration = None
    """An order is fetched once it is this old. `auto`: 30m with the API's own servers, whose data is 10 to 30 minutes
    old; 0 with any other."""
    slow: Duration = Field(default=30.0, ge=1)
    """An order that the API keeps busy for this long is reported as slow. Time that it waits for its turn or for its
    due time does not count."""
    format: Literal["auto", "text", "json", "avro"] = "auto"
    """Format of order messages; `auto` detects the format by the first byte."""
    id_pointer: str = Field(default="/order_id", pattern=r"^(/([^~/]|~0|~1)*)+$")
    """Place of the order id in a message (JSON Pointer)."""
    max_in_hand: int = Field(default=1000, ge=1, le=1_000_000)
    """Most orders that a worker holds at once."""
    max_bytes_in_hand: Size = Field(default=40 * 2**20, ge=2**20)
    """Approximate memory limit of the orders in hand; a single journey that exceeds it is read all the same."""
    map_limit: int = Field(default=4000, ge=64, le=4095)
    """Longest map of finished orders in a commit, in characters (Kafka allows 4,095)."""
    retry_tiers: tuple[TierName, ...] = ("1m", "10m", "1h")
    """Delays after the quick tries, ascending; each has a topic. [] for none: then an order whose quick tries fail is a
    dead letter, also if it has no journey yet."""
    retry_prefix: TopicName | None = None
    """Prefix of the retry topics; the delay follows. The default is the group's name and `.retry.`. Groups may share a
    prefix: each leaves the retries of the others alone."""
    dead_letter: TopicName = "orders.dead-letter"
    """Topic of orders that cannot be published."""
    flood_run: int = Field(default=50, ge=0)
    """This many dead letters in a row shut the gate until `journeys dead-letters resume`; 0: never. Dead letters from
    the last retry tier do not count."""
    flood_share: float = Field(default=0.5, ge=0, le=1)
    """This share of dead letters among at least 100 orders within 5 minutes does the same; 0: never."""

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
        return tuple(zip(self.retry_topics, map(parse_duration, self.retry_tiers), strict=True))

    @property
    def retry_topics(self) -> tuple[str, ...]:
        """The topic of each retry tier, in the same order."""
        return tuple(f"{self.retry_prefix}{tier}" for tier in self.retry_tiers)


class ApiSettings(_Group):
    """The order-event API and the limits of its use."""

    base_url: WebAddress = "https://data.api.attribuly.com"
    """Address of the order-event API."""
    version: str = Field(default="v2-4-2", pattern=r"^[A-Za-z0-9._-]+$")
    """API version, the first part of the path."""
    account: str = Field(default="default", min_length=1, max_length=200)
    """Name of the account that the key belongs to; stands in every record."""
    key: SecretStr | None = None
    """API key, sent in the `ApiKey` header; none: no such header."""
    key_file: Path | None = None
    """File that holds the API key, instead of the key itself."""
    page_size: int = Field(default=100, ge=1, le=10_000)
    """Events to request per page."""
    rate: AutoRate = None
    """Most requests per second; 0: no limit, except as the API answers 429. `auto`: 20 with the API's own servers, 0
    with any other. Workers do not know of one another: divide the rate among workers that share an account."""
    max_concurrency: int = Field(default=128, ge=1, le=10_000)
    """Most requests in flight at once."""
    pages_per_order: int = Field(default=8, ge=1, le=1000)
    """Most pages of one order that are requested at once."""
    connect_timeout: Duration = Field(default=5.0, gt=0)
    """Longest wait for a connection."""
    read_timeout: Duration = Field(default=30.0, gt=0)
    """Longest silence while waiting for an answer."""
    total_timeout: Duration = Field(default=60.0, gt=0)
    """Longest time of one request, to the last byte of its answer."""
    tries: int = Field(default=4, ge=1, le=100)
    """Quick tries of a request before its order goes to a retry tier."""
    max_events: int = Field(default=10_000, ge=1)
    """A journey with more events becomes a dead letter."""
    max_page_bytes: Size = Field(default=32 * 2**20, ge=2**10)
    """The order of a larger page becomes a dead letter."""
    probe: bool = True
    """Whether a worker asks the API once at its start, for the order id `journeys-probe`. So a refused key or a wrong
    address shows before the first order."""
    empty_after: tuple[Duration, ...] = (60.0, 600.0)
    """Waiting times for an absent journey before it counts as empty. [] for none."""
    codes: dict[int, CodeMeaning] = Field(default_factory=dict)
    """Meaning of each `code` other than 1, as JSON: auth, pace, passing, absent or order. Others are `passing`."""
    zone: str = "UTC"
    """Time zone of event times without one."""

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
            _read_secret(path)
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
        """Whether `base_url` is one of the servers of the API document."""
        return urlsplit(self.base_url).hostname in _DOCUMENTED

    @property
    def ceiling(self) -> float | None:
        """The most requests per second; None if there is no limit."""
        rate = self.rate if self.rate is not None else _DOCUMENTED_RATE * self.is_documented
        return rate or None

    @property
    def tzinfo(self) -> tzinfo:
        """The time zone of event times without one."""
        return _zone(self.zone)

    @property
    def has_key(self) -> bool:
        """Whether a key or a key file is set."""
        return self.key is not None or self.key_file is not None

    def current_key(self) -> str | None:
        """Return the key, or None. A key file is read at each call. Raises ValueError, without the text of the key."""
        if self.key_file is not None:
            return _read_secret(self.key_file)
        return self.key.get_secret_value() if self.key is not None else None


class RegistrySettings(_Group):
    """The schema registry (Confluent's API)."""

    url: WebAddress = Field(default="http://localhost:8081", repr=False)
    """Address of the schema registry."""
    config: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """More settings of the registry client, as JSON, such as basic.auth.user.info or ssl.ca.location."""

    @field_validator("config")
    @classmethod
    def _address_has_its_own(cls, config: dict[str, Scalar]) -> dict[str, Scalar]:
        if "url" in config:
            raise ValueError("url has its own setting, JOURNEYS_REGISTRY__URL")
        return config


class PublishSettings(_Group):
    """The published records."""

    topic_prefix: TopicName = "journey."
    """Prefix of the journey topics; the channel follows.

    An order topic may begin with it too. Then consumers must subscribe to the journey topics by name, not by prefix.
    """
    aliases: dict[str, ChannelName] = Field(default_factory=dict)
    """More spellings of channels, as JSON: {"newsletter": "email"}."""
    linger: Duration = Field(default=0.1, le=10)
    """How long finished orders are collected before a transaction, while others are in progress."""
    max_records: int = Field(default=20_000, ge=1)
    """Most records of one transaction; a single journey may have more. The others follow in the next one."""
    native: bool = True
    """Encode in C, where the installation can; false: by fastavro, the same bytes."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The journey topics: those of all channels, of summaries and of rejected events."""
        return tuple(f"{self.topic_prefix}{end}" for end in (*get_args(ChannelName), "summary", "rejected"))


class LogsSettings(_Group):
    """The log lines on stderr."""

    format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the lines that are written."""


class OpsSettings(_Group):
    """The HTTP server for health, metrics, `hold` and `resume`."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; 0.0.0.0 in a container."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0: any free one, named in the log."""
    token_file: Path | None = None
    """File with a token that `hold` and `resume` then ask for: `Authorization: Bearer TOKEN`. It is read at each
    request. Without a token, every client that reaches the server may hold and resume the worker. The page has its
    buttons then only if the server listens on a loopback address."""
    stalled_after: Duration = Field(default=60.0, ge=1)
    """A thread that is silent for this long counts as stuck: the worker logs it, and /healthz fails."""

    @field_validator("token_file")
    @classmethod
    def _holds_a_token(cls, path: Path | None) -> Path | None:
        if path is not None:
            _read_secret(path)
        return path

    def current_token(self) -> str | None:
        """Read the token file; None without one. Raises ValueError, without the text of the token."""
        return None if self.token_file is None else _read_secret(self.token_file)


class TracingSettings(_Group):
    """Traces of single orders, sent to an OpenTelemetry collector. Needs the extra `journeys[otel]`."""

    endpoint: WebAddress | None = Field(default=None, repr=False)
    """Address of a collector that takes OTLP over HTTP, such as http://localhost:4318; none: no traces."""
    ratio: float = Field(default=0.01, ge=0, le=1)
    """Share of orders that are traced. An order message with a `traceparent` header is traced if its sender traces it,
    whatever the share."""


class Settings(_Group):
    """All settings."""

    kafka: KafkaSettings = KafkaSettings()
    orders: OrdersSettings = OrdersSettings()
    api: ApiSettings = ApiSettings()
    registry: RegistrySettings = RegistrySettings()
    publish: PublishSettings = PublishSettings()
    ops: OpsSettings = OpsSettings()
    logs: LogsSettings = LogsSettings()
    tracing: TracingSettings = TracingSettings()

    @property
    def settle(self) -> float:
        """The age in seconds at which an order is fetched."""
        return self.orders.settle if self.orders.settle is not None else _DOCUMENTED_SETTLE_S * self.api.is_documented

    @property
    def autos(self) -> dict[str, str]:
        """The meaning of each setting that is `auto` and depends on the others, by key (`api.rate`)."""
        ceiling = self.api.ceiling
        meanings = {
            "orders.settle": (self.orders.settle, format_duration(self.settle)),
            "api.rate": (self.api.rate, "no limit" if ceiling is None else f"{ceiling:g}"),
        }
        return {key: meaning for key, (value, meaning) in meanings.items() if value is None}

    @model_validator(mode="after")
    def _retries_have_a_prefix(self) -> Self:
        if self.orders.retry_prefix is None:
            try:
                prefix = TypeAdapter(TopicName).validate_python(f"{self.kafka.group_id}.retry.")
            except ValidationError:
                raise PydanticCustomError(
                    "prefix",
                    "must be set, because the name of the group is no topic name",
                    {"setting": "orders.retry_prefix"},
                ) from None
            orders = self.orders.model_copy(update={"retry_prefix": prefix})
            object.__setattr__(self, "orders", orders)  # the model is frozen for its users
        return self

    @model_validator(mode="after")
    def _topics_do_not_feed_back(self) -> Self:
        ours = {*self.publish.topics, self.orders.dead_letter, *self.orders.retry_topics}
        for topic in self.orders.topics:
            if topic in ours:
                raise PydanticCustomError(
                    "feedback",
                    "the worker also writes to {topic}: orders would go round in circles",
                    {"topic": topic, "setting": "orders.topics"},
                )
        return self


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC needs no time zone database


def _read_secret(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        key = ""
    if not key or not key.isprintable():
        raise ValueError("must hold one line of printable ASCII")
    return key
