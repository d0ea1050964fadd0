"""The stand-ins of the Kafka thread's neighbours are complete."""

from __future__ import annotations

import pytest
from tests.support.worker_fakes import FakeConsumer, FakePublisher

from journeys.consumer.consumer import OrderConsumer
from journeys.producer.publisher import Publisher


@pytest.mark.parametrize(("fake", "real"), [(FakePublisher, Publisher), (FakeConsumer, OrderConsumer)])
def test_fakes_override_every_public_method(fake: type, real: type) -> None:
    """A method that a fake forgot would talk to Kafka."""
    public = {name for name in vars(real) if not name.startswith("_")}
    assert public <= set(vars(fake))
