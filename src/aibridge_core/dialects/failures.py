"""How an answer's own error becomes the error type and message that are recorded.

Belongs here: statuses and the shape `{"error": {"type", "message"}}` that all three APIs share. Never: the names
that one API gives its errors; each dialect brings its table.
"""

from collections.abc import Mapping
from typing import Any

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.jsontext import try_read_any
from aibridge_core.records import MAX_ERROR_MESSAGE, ErrorType

_BY_STATUS = {
    401: ErrorType.UNAUTHORIZED,
    403: ErrorType.UNAUTHORIZED,
    408: ErrorType.TIMEOUT,
    429: ErrorType.RATE_LIMITED,
    503: ErrorType.OVERLOADED,
    504: ErrorType.TIMEOUT,
    529: ErrorType.OVERLOADED,
}


def type_of_status(status: int) -> ErrorType:
    """The recorded error type of an HTTP status of 400 or more."""
    default = ErrorType.BAD_REQUEST if status < 500 else ErrorType.SERVER_ERROR
    return _BY_STATUS.get(status, default)


def failure_of_status(status: int, body: bytes) -> Failed:
    """What an answer with an error status says: its `error.message`, else the beginning of its text."""
    error = error_object(body)
    message = error.get("message") if error else None
    text = message if isinstance(message, str) and message else _beginning(body)
    return Failed(type_of_status(status), (text or f"HTTP status {status}")[:MAX_ERROR_MESSAGE])


def failure_of_error(error: Mapping[str, Any], types: Mapping[str, ErrorType]) -> Failed:
    """What an error object inside an answer says; `types` maps this API's `type` and `code` names."""
    names = [error.get("type"), error.get("code")]
    kind = next((types[name] for name in names if isinstance(name, str) and name in types), ErrorType.UNKNOWN)
    message = error.get("message")
    text = message if isinstance(message, str) and message else next((str(n) for n in names if n), "unknown error")
    return Failed(kind, text[:MAX_ERROR_MESSAGE])


def error_object(body: bytes) -> Mapping[str, Any] | None:
    """The `error` object of a JSON body; a text in its place counts as the message. None if there is none.

    A body without either that has a `message` (AWS, Azure's gateways) is one by itself.
    """
    answer = try_read_any(body)
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if isinstance(error, str):
        return {"message": error}
    if isinstance(error, dict):
        return error
    return answer if isinstance(answer.get("message"), str) else None


def _beginning(body: bytes) -> str:
    """As many whole characters as are recorded at most; one takes up to four bytes."""
    return body.lstrip()[: 4 * MAX_ERROR_MESSAGE].decode("utf-8", "replace").strip()
