"""What is masked and how times are written, value by value."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aibridge_adapters.http.rest.presenting import guard_hint, timestamp


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("", ""),
        ("...", "..."),
        ("sk-a...wxyz", "sk-a...wxyz"),
        ("123456...123456", "123456...123456"),
        ("1234567...123456", "..."),
        ("sk-secret", "..."),
        ("<failover key>", "..."),
        ("x" * 200, "..."),
    ],
)
def test_a_hint_that_is_not_surely_masked_is_not_shown(stored: str, shown: str) -> None:
    """Up to 15 characters with `...` inside pass, everything else becomes `...`."""
    assert guard_hint(stored) == shown


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 67, tzinfo=UTC), "2026-01-02T03:04:05.000067Z"),
        (datetime(2026, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T22:30:00.000000Z"),
    ],
)
def test_times_are_utc_with_microseconds(time: datetime, text: str) -> None:
    """RFC 3339 texts of one length sort as the times do."""
    assert timestamp(time) == text
