"""A provider's refusal inside a message: the status that it would have over HTTP, and when to come back.

Belongs here: where a message says so. Never: what is done with it. Sources: OpenAI's guide "WebSocket mode", whose
`error` messages carry a status and headers; its API reference, "Error codes", for those that carry a code alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from attrs import frozen

from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.responses.frames import kind_of
from aibridge_core.wire import Headers

_STATUS_OF_NAME: Final[Mapping[str, int]] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,  # over HTTP, too: nothing is paid for any more
    "usage_limit_reached": 429,
    "tokens": 429,  # the `type` of a limit on tokens per minute
    "requests": 429,  # likewise, requests per minute
    "invalid_api_key": 401,
    "authentication_error": 401,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
_FAILING: Final = frozenset({"error", "response.failed"})
_HINTS: Final = ("retry-after-ms", "retry-after")
_SPOKEN: Final = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)", re.IGNORECASE)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[hms])", re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_HEARD: Final = 4096
"""Characters of a text in which a time is looked for."""


class _Message(msgspec.Struct, gc=False):
    """An error stands at the top of a message, under `error`, or in the response that failed."""

    status: Any = None
    status_code: Any = None
    code: Any = None
    message: Any = None
    headers: Any = None
    error: Any = None
    response: Any = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)


@frozen
class Refusal:
    """What the message stands for over HTTP."""

    status: int
    headers: Headers
    """Those that say when to come back."""


def refusal(message: bytes) -> Refusal | None:
    """What a provider's message refuses with; None if it is no error, or one without a status."""
    said = try_read(_MESSAGE, message) if kind_of(message) in _FAILING else None
    if said is None:
        return None
    error = _error(said)
    status = next((each for each in (said.status, said.status_code) if type(each) is int), None)
    if status is None:
        names = (text_or(error.get("code")), text_or(error.get("type")))
        status = next((_STATUS_OF_NAME[name] for name in names if name in _STATUS_OF_NAME), None)
    return None if status is None else Refusal(status, tuple(_hints(said.headers, error)))


def _error(said: _Message) -> Mapping[str, Any]:
    within = said.response.get("error") if isinstance(said.response, Mapping) else None
    for found in (said.error, within):
        if isinstance(found, Mapping):
            return found
    return {"code": said.code, "message": said.message}


def _hints(headers: Any, error: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """The headers of the message, else a number in its error, else what its text says."""
    given = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    named = [(name, given[name]) for name in _HINTS if isinstance(given.get(name), str | int | float)]
    seconds = error.get("resets_in_seconds")
    if named:
        yield from ((name.encode(), str(value).encode("latin-1", "replace")) for name, value in named)
    elif isinstance(seconds, int | float):
        yield b"retry-after", str(seconds).encode()
    elif spoken := _SPOKEN.search(text_or(error.get("message"))[:_HEARD]):
        total = sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(spoken[1]))
        yield b"retry-after", str(total).encode()
