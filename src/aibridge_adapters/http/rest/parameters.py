"""Reads query strings: names, repetition, numbers, ids, pagination.

Belongs here: what every operation asks of its parameters, and their documentation. Never: the `q` language
(`aibridge_core.search`). A parameter that an operation doesn't know is refused: a misspelt filter must not
read as no filter.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen

from aibridge_adapters.http.rest.problems import INVALID_PARAMETERS, invalid
from aibridge_adapters.http.rest.shapes import Validation
from aibridge_core.records import Page


@frozen(kw_only=True)
class Parameter:
    """A query parameter."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of its value."""
    example: str = ""
    required: bool = False


DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1

LIMIT = Parameter(
    name="limit",
    description=f"At most so many; 0 means the default, {DEFAULT_LIMIT}.",
    schema={"type": "integer", "minimum": 0, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
OFFSET = Parameter(
    name="offset",
    description="Leave out so many from the beginning. Slow for large numbers: prefer `after_id` where there is one.",
    schema={"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
)
AFTER_ID = Parameter(
    name="after_id",
    description="Go on after this interception; the last `id` of a page leads to the next page. Not with `offset`.",
    schema={"type": "string", "format": "uuid"},
)

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class Query:
    """The query string of one request, as far as its operation knows the names."""

    def __init__(self, raw: bytes, known: Sequence[Parameter]) -> None:
        """Raises Problem for names that are unknown or given twice."""
        values = parse_qs(raw.decode("latin-1"), keep_blank_values=True)
        names = [parameter.name for parameter in known]
        faults = [fault for name, given in values.items() if (fault := _misuse(name, len(given), names))]
        if faults:
            raise invalid(INVALID_PARAMETERS, *faults)
        self._values = {name: given[0] for name, given in values.items()}

    def text(self, parameter: Parameter) -> str:
        """The value; empty if it is absent."""
        return self._values.get(parameter.name, "")

    def number(self, parameter: Parameter) -> int | None:
        """A non-negative number; None if it is absent. Raises Problem."""
        faults: list[Validation] = []
        value = self._integer(parameter, faults)
        if value < 0:
            faults.append(_fault(parameter.name, "must not be negative"))
        if faults:
            raise invalid(INVALID_PARAMETERS, *faults)
        return value if self.text(parameter) else None

    def page(self) -> Page:
        """`limit`, `offset` and `after_id` together. Raises Problem."""
        faults: list[Validation] = []
        limit = self._integer(LIMIT, faults)
        offset = self._integer(OFFSET, faults)
        after_id = self._uuid(AFTER_ID, faults)
        if not 0 <= offset <= MAX_OFFSET:
            faults.append(_fault(OFFSET.name, f"must be in range [0, {MAX_OFFSET}]"))
        if faults:
            raise invalid(INVALID_PARAMETERS, *faults)
        if after_id and offset:
            detail = "Cannot use both after_id and offset pagination in the same request."
            raise invalid(INVALID_PARAMETERS, detail=detail)
        if not 0 <= limit <= MAX_LIMIT:
            detail = f"Pagination limit must be in range (0, {MAX_LIMIT}]"
            raise invalid("Invalid pagination limit value.", detail=detail)
        return Page(limit=limit or DEFAULT_LIMIT, offset=offset, after_id=after_id)

    def _integer(self, parameter: Parameter, faults: list[Validation]) -> int:
        text = self.text(parameter)
        if text and not _INTEGER.fullmatch(text):
            faults.append(_fault(parameter.name, "must be a valid integer"))
            return 0
        return int(text or "0")

    def _uuid(self, parameter: Parameter, faults: list[Validation]) -> str | None:
        text = self.text(parameter)
        if text and not is_uuid(text):
            faults.append(_fault(parameter.name, "must be a valid uuid"))
        return text.lower() or None


def is_uuid(text: str) -> bool:
    """Whether this is a UUID in its hyphenated form (RFC 9562, section 4), in either case."""
    return _UUID.fullmatch(text) is not None


def _misuse(name: str, times: int, known: Sequence[str]) -> Validation | None:
    if name not in known:
        return _fault(name, f"is not known here; known are: {', '.join(known) or 'none'}")
    if times > 1:
        return Validation(
            field=name,
            detail=f'Query param "{name}" provided more than once, found {times} times.'
            " Only provide 1 instance of this query param.",
        )
    return None


def _fault(name: str, what: str) -> Validation:
    return Validation(field=name, detail=f'Query param "{name}" {what}')
