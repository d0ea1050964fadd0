"""The attributes are those of OpenTelemetry's semantic conventions, in the version that we name."""

from __future__ import annotations

from opentelemetry.semconv._incubating.attributes import messaging_attributes, service_attributes
from opentelemetry.semconv.attributes import error_attributes, server_attributes
from opentelemetry.semconv.attributes import service_attributes as stable_service_attributes
from opentelemetry.semconv.schemas import Schemas

from journeys.worker.span_names import SCHEMA_URL, Convention, Own


def test_attributes_exist_in_the_conventions() -> None:
    """The package of the conventions lists every attribute of this version."""
    modules = (
        messaging_attributes,
        service_attributes,
        stable_service_attributes,
        error_attributes,
        server_attributes,
    )
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    assert {*Convention} <= known
    assert Schemas.V1_44_0.value == SCHEMA_URL


def test_own_attributes_have_a_prefix() -> None:
    """So that they never mean something else in a later version of the conventions."""
    assert all(name.startswith("journeys.") for name in Own)
