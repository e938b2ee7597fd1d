"""Values as people type them: durations and moments.

Belongs here: reading text into values, with errors that show the right form. Never: defaults or prompts.
"""

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def parse_duration(text: str) -> timedelta | None:
    """`90s`, `15m`, `12h`, `30d`, `8w`; None if it is nothing of the kind. Raises ValueError if it is too long."""
    parts = _DURATION.fullmatch(text.strip())
    if parts is None:
        return None
    try:
        return timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    except OverflowError as error:
        raise ValueError("this is longer than time can be counted") from error


def parse_moment(text: str) -> datetime:
    """A moment in UTC from a text of RFC 3339, section 5.6. Raises ValueError."""
    if not _RFC3339.fullmatch(text.strip()):
        raise ValueError("not a time of RFC 3339, such as 2026-01-02T03:04:05Z")
    try:
        return datetime.fromisoformat(text.strip().upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this time is out of range") from error


def moment_before(text: str, now: datetime) -> datetime:
    """A moment, or how long ago it was: `12h` is twelve hours before `now`. Raises ValueError."""
    return _moved(text, now, sign=-1)


def moment_after(text: str, now: datetime) -> datetime:
    """A moment, or how far ahead it is: `30d` is thirty days after `now`. Raises ValueError."""
    return _moved(text, now, sign=1)


def rfc3339(moment: datetime) -> str:
    """In UTC, with `Z`, and with fractions of a second only if there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moved(text: str, now: datetime, *, sign: int) -> datetime:
    duration = parse_duration(text)
    if duration is None:
        return parse_moment(text)
    try:
        return now + sign * duration
    except OverflowError as error:
        raise ValueError("this time is out of range") from error
