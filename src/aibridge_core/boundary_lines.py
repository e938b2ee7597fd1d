"""A line of an agent firewall's audit log as a network call.

Belongs here: the names that such lines use, and what is wrong with one. Never: files, batches, storage.

Firewalls, the servers that collect their logs, and exports of those servers' databases name the same facts differently,
so a table says which names mean what. A line may also be one of a service log: then its fields may stand in `fields`,
and lines with another `msg` than `boundary_request` are about something else.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from aibridge_core.boundaries import InvalidFirewallPlace, NetworkCall, firewall_place

MESSAGE = "boundary_request"
"""What a service log says where it tells of a network call."""
MAX_LINE = 65_536
"""Longest line, in bytes."""
MAX_TEXT = 8_192
"""Longest text that is kept of a field, in characters; a longer one is cut."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "session": ("session_id", "agent_firewall_session_id", "boundary_session_id"),
    "number": ("sequence_number", "agent_firewall_sequence_number", "boundary_sequence_number"),
    "time": ("event_time", "made_at", "created_at", "captured_at", "time"),
    "method": ("http_method", "method"),
    "url": ("http_url", "url", "detail"),
    "rule": ("matched_rule", "rule"),
    "process": ("confined_process_name", "confined_process", "process"),
}
"""Names of each fact; the first one that is there counts."""

_INNER = ("fields", "http_request")
"""Objects within a line whose members count as the line's own."""

_DECISIONS = {"allow": True, "allowed": True, "deny": False, "denied": False, "block": False, "blocked": False}

_KEPT = (
    "owner", "workspace_id", "workspace_name", "agent_name", "template_id", "template_version_id", "request_id",
    "trace", "proto",
)  # fmt: skip
"""Further fields that become metadata. No others do: nobody knows what secrets they hold."""

_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#@]*@")
"""RFC 3986, section 3.2.1."""


class InvalidLine(ValueError):
    """The line is no entry of an audit log; the message says why."""


def read_line(line: bytes) -> NetworkCall | None:
    """The call that a line tells of; None for lines about something else. Raises InvalidLine."""
    if not line.strip():
        return None
    fields = _fields(line)
    if fields.get("msg", MESSAGE) != MESSAGE:
        return None
    try:
        place = firewall_place(_text(fields, "session", required=True), _number(fields))
    except InvalidFirewallPlace as error:
        raise InvalidLine(str(error)) from None
    rule = _text(fields, "rule")
    return NetworkCall(
        place=place,
        made_at=_time(fields),
        allowed=_allowed(fields, rule),
        method=_text(fields, "method"),
        url=_USERINFO.sub(r"\1", _text(fields, "url", required=True)),
        matched_rule=rule,
        process=_text(fields, "process"),
        metadata={name: value[:MAX_TEXT] for name in _KEPT if isinstance(value := fields.get(name), str) and value},
    )


def _fields(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise InvalidLine(f"the line is longer than {MAX_LINE} bytes")
    try:
        fields: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidLine("not a JSON object") from None
    for name in _INNER:
        inner = fields.pop(name, None)
        if isinstance(inner, dict):
            fields |= inner
    return fields


def _text(fields: Mapping[str, Any], fact: str, *, required: bool = False) -> str:
    name, value = _found(fields, fact)
    if value is None and required:
        raise InvalidLine(f"{name} is missing")
    if not isinstance(value, str | None):
        raise InvalidLine(f"{name} is not a text")
    return (value or "")[:MAX_TEXT]


def _number(fields: Mapping[str, Any]) -> str:
    name, value = _found(fields, "number")
    if value is None:
        raise InvalidLine(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidLine(f"{name} is not a non-negative integer")
    return str(value)


def _found(fields: Mapping[str, Any], fact: str) -> tuple[str, Any]:
    """The name under which a fact stands, or should stand, and its value."""
    names = _NAMES[fact]
    return next(((name, fields[name]) for name in names if fields.get(name) is not None), (names[0], None))


def _time(fields: Mapping[str, Any]) -> datetime:
    text = _text(fields, "time", required=True)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidLine(f"{_found(fields, 'time')[0]} is not a time of RFC 3339, such as 2026-01-02T03:04:05Z")


def _allowed(fields: Mapping[str, Any], rule: str) -> bool:
    """What the firewall decided. An export of a database may say it by the rule alone: without one it denies."""
    if isinstance(allowed := fields.get("allowed"), bool):
        return allowed
    decision = fields.get("decision")
    if decision is None:
        return bool(rule)
    if not isinstance(decision, str) or decision.lower() not in _DECISIONS:
        raise InvalidLine("decision is neither allow nor deny")
    return _DECISIONS[decision.lower()]
