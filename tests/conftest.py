"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How fast an example is made or run says something of the machine, nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
