"""How long a provider asks to be left alone.

Belongs here: reading the headers of an answer that say so. Never: what is done with it.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aibridge_core.wire import Headers, header

DEFAULT = 60.0
"""Seconds, where a provider doesn't say or says nonsense."""
LONGEST = 24 * 3600.0
"""Seconds; nobody is believed beyond a day."""


def cooldown(headers: Headers, now: datetime) -> float:
    """Seconds: `retry-after-ms`, else `Retry-After`, a number or a date (RFC 9110, section 10.2.3), else a minute."""
    milliseconds = _number(header(headers, b"retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST)
    text = header(headers, b"retry-after")
    seconds = _number(text)
    if seconds is None and text:
        seconds = _until(text, now)
    return DEFAULT if seconds is None else min(seconds, LONGEST)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
