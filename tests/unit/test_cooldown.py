"""How long a provider asks to be left alone, in every form of it."""

from datetime import UTC, datetime

import pytest

from aibridge_core.cooldown import DEFAULT, LONGEST, cooldown
from aibridge_core.wire import Headers

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), DEFAULT),
        (((b"retry-after", b"7"),), 7),
        (((b"retry-after", b"0"),), 0),
        (((b"retry-after", b"1.5"),), 1.5),
        (((b"retry-after-ms", b"250.5"),), 0.2505),
        (((b"retry-after-ms", b"250"), (b"retry-after", b"9")), 0.25),
        (((b"retry-after-ms", b"soon"), (b"retry-after", b"9")), 9),
        (((b"retry-after", b"Fri, 01 May 2026 12:00:30 GMT"),), 30),
        (((b"retry-after", b"Fri, 01 May 2026 11:00:00 GMT"),), 0),
        (((b"retry-after", b"Friday, 01-May-26 12:00:05 GMT"),), 5),
        (((b"retry-after", b"Fri May  1 12:00:05 2026"),), 5),
        (((b"retry-after", b"soon"),), DEFAULT),
        (((b"retry-after", b"-5"),), DEFAULT),
        (((b"retry-after", b"nan"),), DEFAULT),
        (((b"retry-after", b"inf"),), DEFAULT),
        (((b"retry-after", b"999999999"),), LONGEST),
    ],
)
def test_every_form(headers: Headers, seconds: float) -> None:
    """Nonsense is a minute, and nobody is believed beyond a day."""
    assert cooldown(headers, NOW) == pytest.approx(seconds)
