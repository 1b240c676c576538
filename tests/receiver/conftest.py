"""Property tests here find wrong answers, not slow ones: the machine decides how long an example takes."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("receiver", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("receiver")
