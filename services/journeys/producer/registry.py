"""Schemas and their ids in the registry: the only door to confluent_kafka.schema_registry.

A worker looks ids up at its start and never registers schemas. Only the command `journeys schemas register` does.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from journeys.errors import SetupError
from journeys.producer import schemas
from journeys.redact import without_credentials

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

_T = TypeVar("_T")

COMPATIBILITY: Final = "FULL_TRANSITIVE"

_LIMITS: Final[Mapping[str, Any]] = {
    "timeout": 5,
    "max.retries": 2,
    "retries.wait.ms": 200,
    "retries.max.wait.ms": 500,
}
"""The client's time-out in seconds, and its retries in milliseconds. The caller's config overrides them."""

_SUBJECT_NOT_FOUND: Final = 40401
_VERSION_NOT_FOUND: Final = 40402
_SCHEMA_NOT_FOUND: Final = 40403
_COMPATIBILITY_NOT_SET: Final = 40408

_NOT_ITS_OWN: Final = -1
"""The client's code for an answer without one, such as that of a proxy while the registry is down."""
_REFUSED: Final = (400, 404, 422)
"""HTTP statuses with which a registry refuses an id for good, with any error code."""


_JAVA_ONLY: Final = "basic.auth.credentials.source"
"""A property of Java's client: ours reads `basic.auth.user.info` without it."""


class State(StrEnum):
    """The state of a subject, compared with our schema."""

    OK = "ok"
    """Our schema is one of its versions."""
    MISSING = "missing"
    """The registry does not know the subject."""
    DIFFERS = "differs"
    """The subject has versions, but none is our schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The state of one subject in the registry."""

    name: str
    record: str
    """The record type of the subject, such as `AdsEvent`."""
    state: State
    schema_id: int | None
    """The id of our schema. None if it is not registered."""
    compatible: bool
    """Whether our schema is registered or may be registered."""

    def __str__(self) -> str:
        if self.state is State.DIFFERS:
            return f"{self.name} (differs, {'compatible' if self.compatible else 'incompatible'})"
        return f"{self.name} ({self.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The result of `register` for one subject."""

    subject: str
    record: str
    schema_id: int
    created: bool
    """False if our schema was registered before."""


def lookup(url: str, config: Mapping[str, Any], topic_prefix: str) -> dict[str, int]:
    """Subject → schema id, for every topic of the prefix.

    `config` goes to the registry's client (authentication, TLS, time-outs). Raises SetupError that names each missing
    or different subject, or the reason why the registry does not answer.
    """
    found = check(url, config, topic_prefix)
    ids = {subject.name: subject.schema_id for subject in found if subject.schema_id is not None}
    unready = [subject for subject in found if subject.schema_id is None]
    if unready:
        raise SetupError(_unready(unready, url), remedy=schemas.REMEDY if all(s.compatible for s in unready) else None)
    return ids


def check(url: str, config: Mapping[str, Any], topic_prefix: str) -> list[Subject]:
    """The state of each subject, in the order of `schemas.RECORDS`. Changes nothing.

    Raises SetupError if the registry does not answer.
    """
    with _registry(url, config) as client:
        return [_subject(client, schemas.subject(topic_prefix, name), name) for name in schemas.RECORDS]


def compatibility(url: str, config: Mapping[str, Any], topic_prefix: str) -> dict[str, str | None]:
    """Subject → its compatibility level, None without one of its own. Leaves out missing subjects. Changes nothing.

    Raises SetupError if the registry does not answer.
    """
    with _registry(url, config) as client:
        known = set(client.get_subjects())
        names = [schemas.subject(topic_prefix, name) for name in schemas.RECORDS]
        return {name: _level(client, name) for name in names if name in known}


def register(url: str, config: Mapping[str, Any], topic_prefix: str) -> list[Registration]:
    """Register missing schemas and set each subject's compatibility. A second call changes nothing.

    Raises SetupError, without any change, if a schema is incompatible or the registry does not answer.
    """
    found = check(url, config, topic_prefix)
    unfit = [subject for subject in found if not subject.compatible]
    if unfit:
        raise SetupError(_unready(unfit, url))
    with _registry(url, config) as client:
        return [_register(client, subject, url) for subject in found]


def _unready(subjects: list[Subject], url: str) -> str:
    return f"the schema registry at {without_credentials(url)} is not ready: {', '.join(map(str, subjects))}"


def _subject(client: SchemaRegistryClient, name: str, topic: str) -> Subject:
    record = schemas.RECORDS[topic]
    schema = _schema(record)
    known = _absent(lambda: client.lookup_schema(name, schema), _SUBJECT_NOT_FOUND, _SCHEMA_NOT_FOUND)
    if known is not None:
        return Subject(name=name, record=record, state=State.OK, schema_id=known.schema_id, compatible=True)
    versions = _absent(lambda: client.get_versions(name), _SUBJECT_NOT_FOUND)
    if not versions:
        return Subject(name=name, record=record, state=State.MISSING, schema_id=None, compatible=True)
    compatible = _fits(client, name, schema)
    return Subject(name=name, record=record, state=State.DIFFERS, schema_id=None, compatible=compatible)


def _register(client: SchemaRegistryClient, subject: Subject, url: str) -> Registration:
    """Register one subject. Sets its compatibility first if it has versions; a new subject has no place for it yet."""
    if subject.state is not State.MISSING:
        _guard(client, subject.name)
    if subject.state is State.DIFFERS and not _fits(client, subject.name, _schema(subject.record)):
        raise SetupError(_unready([replace(subject, compatible=False)], url))
    schema_id = subject.schema_id
    if schema_id is None:
        schema_id = client.register_schema(subject.name, _schema(subject.record))
    if subject.state is State.MISSING:
        _guard(client, subject.name)
    created = subject.state is not State.OK
    return Registration(subject=subject.name, record=subject.record, schema_id=schema_id, created=created)


def _fits(client: SchemaRegistryClient, subject: str, schema: Schema) -> bool:
    """Whether the registry accepts the schema, by the subject's current compatibility."""
    return client.test_compatibility_all_versions(subject, schema)


def _guard(client: SchemaRegistryClient, subject: str) -> None:
    if _level(client, subject) != COMPATIBILITY:
        client.set_compatibility(subject, COMPATIBILITY)


def _level(client: SchemaRegistryClient, subject: str) -> str | None:
    return _absent(
        lambda: client.get_compatibility(subject), _SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND, _COMPATIBILITY_NOT_SET
    )


def _schema(record: str) -> Schema:
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - it costs 0.3 s that only this needs

    return Schema(schemas.text(record), "AVRO")


def _absent(ask: Callable[[], _T], *codes: int, statuses: Collection[int] = ()) -> _T | None:
    """The registry's answer. None if it answers "not found", with one of these codes or HTTP statuses."""
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - see _schema

    try:
        return ask()
    except SchemaRegistryError as error:
        if error.error_code in codes or (error.http_status_code in statuses and error.error_code != _NOT_ITS_OWN):
            return None
        raise


@contextmanager
def _registry(url: str, config: Mapping[str, Any]) -> Iterator[SchemaRegistryClient]:
    """A client of the registry. Turns each failure into a SetupError of one line, without credentials."""
    with _failures(url, config), _client(url, config) as client:
        yield client


def _client(url: str, config: Mapping[str, Any]) -> SchemaRegistryClient:
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - see _schema

    return SchemaRegistryClient({**_LIMITS, **config, "url": url})


@contextmanager
def _failures(url: str, config: Mapping[str, Any]) -> Iterator[None]:
    """Turn each failure of the client into a SetupError of one line, without credentials."""
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - see _schema

    place = f"the schema registry at {without_credentials(url)}"
    try:
        yield
    except SetupError:
        raise
    except SchemaRegistryError as error:
        raise SetupError(f"{place} {_refusal(error.http_status_code)}") from error
    except Exception as error:  # including the errors of its HTTP client, which this module does not know
        raise SetupError(f"{place} cannot be asked: {_why(error, config)}") from error


def _why(error: Exception, config: Mapping[str, Any]) -> str:
    """The reason why the client failed. Names settings and files, never a secret.

    An error that no other one caused is the client's own, about its settings: no request was sent.
    """
    if isinstance(error, json.JSONDecodeError):
        return "its answer is not JSON; is JOURNEYS_REGISTRY__URL right?"
    first: BaseException = error
    while (cause := first.__cause__ or first.__context__) is not None:
        first = cause
    why = _wrong_setting(first, config) if first is error else _no_connection(first)
    kind = type(error).__name__
    return why or f"{kind}: does it run, and are JOURNEYS_REGISTRY__URL and JOURNEYS_REGISTRY__CONFIG right?"


def _wrong_setting(error: BaseException, config: Mapping[str, Any]) -> str | None:
    match error:
        case ssl.SSLError():
            return f"a file that JOURNEYS_REGISTRY__CONFIG names is not usable ({error.reason})"
        case OSError():
            files = [f"{name}: {path}" for name, path in config.items() if _is_unreadable(name, path)]
            return f"JOURNEYS_REGISTRY__CONFIG names a file that cannot be read: {', '.join(files)}"
        case ValueError():
            hint = f"; leave {_JAVA_ONLY} out" if _JAVA_ONLY in config else ""
            return f"JOURNEYS_REGISTRY__CONFIG is wrong: {without_credentials(str(error))}{hint}"
        case _:
            return None


def _no_connection(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({error.verify_message}); "
                "JOURNEYS_REGISTRY__CONFIG names the file of its authority as ssl.ca.location"
            )
        case ssl.SSLError():
            return f"TLS fails ({error.reason}); is https right in JOURNEYS_REGISTRY__URL?"
        case socket.gaierror():
            return "its host name is not known; is JOURNEYS_REGISTRY__URL right?"
        case ConnectionRefusedError():
            return "it refuses connections; does it run, and is JOURNEYS_REGISTRY__URL right?"
        case OSError() if error.strerror:
            return f"{error.strerror}; is JOURNEYS_REGISTRY__URL right?"
        case _:
            return None


def _is_unreadable(name: str, path: object) -> bool:
    return name.endswith(".location") and not os.access(str(path), os.R_OK)


def _refusal(status: int) -> str:
    if status in {401, 403}:
        return f"does not accept our credentials (HTTP {status}): see JOURNEYS_REGISTRY__CONFIG"
    if status == 404:
        return "answers 404: see whether JOURNEYS_REGISTRY__URL lacks a path, such as /apis/ccompat/v7"
    return f"answers HTTP {status}"


class SchemaTexts(AbstractContextManager["SchemaTexts"]):
    """The schemas of a registry by id, asked for over one connection; to be used in a `with` block.

    Raises SetupError for a setting that the client refuses.
    """

    def __init__(self, url: str, config: Mapping[str, Any]) -> None:
        self._url = url
        self._config = config
        self._open = ExitStack()
        with _failures(url, config):
            self._client: SchemaRegistryClient = self._open.enter_context(_client(url, config))

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def text(self, schema_id: int) -> str:
        """The schema with this id, as JSON text.

        Blocks for some seconds. Raises ValueError if the registry refuses the id, SetupError if it does not answer.
        """
        with _failures(self._url, self._config):
            found = _absent(lambda: self._client.get_schema(schema_id), statuses=_REFUSED)
        if found is None or found.schema_str is None:
            raise ValueError(f"the registry knows no schema {schema_id}")
        return found.schema_str


def schema_text(url: str, config: Mapping[str, Any], schema_id: int) -> str:
    """One schema, over a connection of its own. Blocks and raises as `SchemaTexts.text`."""
    with SchemaTexts(url, config) as texts:
        return texts.text(schema_id)
