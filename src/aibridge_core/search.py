"""The search language `q`: terms such as `initiator:ann model:"gpt 5" started_after:"2026-01-02T03:04:05Z"`.

Belongs here: how a search text is read, and what is wrong with it. Never: who `me` is or which user a name means;
that takes a directory and a permission, so `initiator` stays text.

Terms are separated by spaces. Double quotes keep spaces and colons together. Keys don't mind their case, values do.
Each key may be given once. Words without a key are joined by spaces and belong to the list's main key.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from aibridge_core.records import InterceptionFilter, Status

_TERM = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
"""A run of anything but spaces; inside double quotes, spaces too. A quote that is never closed reaches the end."""
_QUOTED = re.compile(r'"[^"]*(?:"|$)')
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_PROVIDER_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@frozen
class Validation:
    """One thing that is wrong, as the REST API shows it under `validations`."""

    field: str
    """The key, or `q` if no single key is at fault."""
    detail: str


class InvalidSearch(Exception):
    """A search text that can't be used. `validations` holds at least one entry."""

    def __init__(self, *validations: Validation) -> None:
        super().__init__("; ".join(validation.detail for validation in validations))
        self.validations = validations


@frozen(kw_only=True)
class InterceptionQuery:
    """What a search for interceptions asks for."""

    initiator: str | None = None
    """`me`, a user's id or a username, not resolved yet."""
    where: InterceptionFilter
    """The other filters; its `initiator_id` is None."""


def parse_interceptions(q: str) -> InterceptionQuery:
    """Read a search for interceptions; bare words are the initiator. Raises InvalidSearch."""
    values = _values(q, "initiator", {"initiator": _text, **_INTERCEPTION_KEYS})
    after, before = values.get("started_after"), values.get("started_before")
    if after and before and before <= after:
        raise InvalidSearch(
            Validation("started_before", _invalid("started_before", "must be later than started_after"))
        )
    return InterceptionQuery(initiator=values.pop("initiator", None), where=InterceptionFilter(**values))


def parse_models(q: str) -> str:
    """Read a search for models: the beginning of a name, bare or as `model:`. Raises InvalidSearch."""
    return str(_values(q, "model", {"model": _text}).get("model", ""))


def parse_clients(q: str) -> str:
    """Read a search for clients: the beginning of a label, bare or as `client:`. Raises InvalidSearch."""
    return str(_values(q, "client", {"client": _text}).get("client", ""))


def _values(q: str, main_key: str, readers: Mapping[str, Callable[[str, str], Any]]) -> dict[str, Any]:
    """Every key's value, read and checked. An empty value (`model:""`) asks for nothing."""
    given = _by_key(q, main_key)
    values: dict[str, Any] = {}
    wrong: list[Validation] = []
    for key in sorted(given, key=lambda key: list(readers).index(key) if key in readers else len(readers)):
        try:
            text = _single(key, given[key], readers)
            if text:
                values[key] = readers[key](key, text)
        except ValueError as error:
            wrong.append(Validation(key, str(error)))
    if wrong:
        raise InvalidSearch(*wrong)
    return values


def _single(key: str, texts: list[str], readers: Mapping[str, object]) -> str:
    if key not in readers:
        raise ValueError(f'"{key}" is not a valid query param; known are {", ".join(readers)}')
    if len(texts) > 1:
        raise ValueError(
            f'Query param "{key}" provided more than once, found {len(texts)} times. '
            "Only provide 1 instance of this query param."
        )
    return texts[0]


def _by_key(q: str, main_key: str) -> dict[str, list[str]]:
    """The texts that each key was given, in the order of the search."""
    given: dict[str, list[str]] = {}
    bare: list[str] = []
    for element in _TERM.findall(q):
        key, colon, value = _split(element)
        if colon:
            given.setdefault(key.lower(), []).append(value)
        else:
            bare.append(value)
    if bare:
        given.setdefault(main_key, []).append(" ".join(bare))
    return given


def _split(element: str) -> tuple[str, str, str]:
    """Key, colon and value of one element; the first two are empty for a bare word."""
    if element.startswith(":") or element.endswith(":"):
        raise InvalidSearch(Validation("q", f"Query element {_shown(element)} cannot start or end with ':'"))
    masked = _QUOTED.sub(lambda quoted: "_" * len(quoted.group()), element)
    if masked.count(":") > 1:
        raise InvalidSearch(Validation("q", f"Query element {_shown(element)} can only contain 1 ':'"))
    position = masked.find(":")
    if position < 0:
        return "", "", element.replace('"', "")
    return element[:position].replace('"', ""), ":", element[position + 1 :].replace('"', "")


def _shown(element: str) -> str:
    return json.dumps(element, ensure_ascii=False)


def _invalid(key: str, why: str) -> str:
    return f'Query param "{key}" has an invalid value: {why}'


def _text(_key: str, text: str) -> str:
    return text


def _provider_name(key: str, text: str) -> str:
    if not _PROVIDER_NAME.fullmatch(text):
        raise ValueError(_invalid(key, f"{_shown(text)} is not a name of lower-case letters, digits and inner hyphens"))
    return text


def _status(key: str, text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise ValueError(_invalid(key, f"{_shown(text)} is not one of {', '.join(Status)}")) from None


def _time(key: str, text: str) -> datetime:
    """RFC 3339, section 5.6. Fractions beyond a microsecond are cut off."""
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:  # well-formed, but no such day or hour
        pass
    raise ValueError(_invalid(key, f'{_shown(text)} is not a time as in RFC 3339, such as "2026-01-02T03:04:05Z"'))


_INTERCEPTION_KEYS: Mapping[str, Callable[[str, str], Any]] = {
    "provider": _text,
    "provider_name": _provider_name,
    "model": _text,
    "client": _text,
    "status": _status,
    "session_id": _text,
    "started_after": _time,
    "started_before": _time,
}
"""Key to how its value is read; the order is that of complaints."""
