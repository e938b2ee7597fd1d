"""Settings of limits that replicas share: where they make sense."""

import pytest

from integration.config.conftest import Load, Problems

POSTGRES = {"AIBRIDGE_DATABASE_URL": "postgresql://db.example/trail"}
SHARED = {"AIBRIDGE_LIMITS_SHARED": "true", "AIBRIDGE_MAX_RPS": "10"}


def test_they_need_a_database_that_is_shared(load: Load, problems: Problems) -> None:
    """SQLite is refused, also as the default; the message names both settings and what is allowed."""
    text = problems(SHARED)
    assert "AIBRIDGE_LIMITS_SHARED = true needs a database that several gateways share" in text
    assert "database_url (default): postgresql://..." in text
    loaded = load({**SHARED, **POSTGRES})
    assert loaded.settings.limits.shared
    assert loaded.warnings == load(POSTGRES).warnings


@pytest.mark.parametrize("name", ["MAX_RPS", "MAX_CONCURRENT", "MAX_RPS_PER_USER", "MAX_CONCURRENT_PER_USER"])
def test_there_has_to_be_a_limit(load: Load, name: str) -> None:
    """Else there is a warning."""
    without = load({**POSTGRES, "AIBRIDGE_LIMITS_SHARED": "true"})
    assert any("shares limits, but there is none" in warning for warning in without.warnings)
    some = load({**POSTGRES, "AIBRIDGE_LIMITS_SHARED": "true", f"AIBRIDGE_{name}": "1"})
    assert not any("there is none" in warning for warning in some.warnings)


def test_the_fallback_is_one_of_two(problems: Problems) -> None:
    """The message lists them."""
    assert "allowed: local, refuse" in problems({**POSTGRES, "AIBRIDGE_LIMITS_SHARED_FALLBACK": "allow"})
