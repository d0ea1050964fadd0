"""Parameters of tests that run once with fastavro, and once in C where that is installed."""

from __future__ import annotations

import pytest

from journeys.producer.encoding import extension
from journeys.producer.encoding.body import by_fastavro, in_c

needs_native = pytest.mark.skipif(extension.native is None, reason="installed without a C compiler")
NATIVE = [pytest.param(False, id="python"), pytest.param(True, id="c", marks=needs_native)]
"""Values of JourneyEncoder's `native`."""
ENCODERS = [pytest.param(by_fastavro, id="python"), pytest.param(in_c, id="c", marks=needs_native)]
"""Each takes a schema and returns the encoder of its data."""
