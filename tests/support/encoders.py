"""The encoders that a test is run with: in Python, and in C where the installation has that."""

from __future__ import annotations

import pytest

from journeys.producer.encoding import extension

needs_native = pytest.mark.skipif(extension.native is None, reason="installed without a compiler of C")
NATIVE = [pytest.param(False, id="python"), pytest.param(True, id="c", marks=needs_native)]
"""Values of `native`."""
