"""Fixtures that every test may use."""

import pytest
from hypothesis import HealthCheck, settings


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, as the server does."""
    return "asyncio"


# How long an example takes is the machine's affair; a busy one must not fail a test.
settings.register_profile("aibridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("aibridge")
