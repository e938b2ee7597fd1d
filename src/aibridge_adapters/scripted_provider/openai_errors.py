"""The error envelope that the OpenAI APIs share.

Belongs here: types and codes by status. Never: when an error is due.
"""

from typing import Any

from aibridge_adapters.scripted_provider.values import HttpFailure

_TYPES_AND_CODES: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "unknown_url"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    503: ("server_error", "server_is_overloaded"),
}


def failure_body(failure: HttpFailure, request_id: str, parameter: str | None = None) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code"}}`; the request id stands in a header only."""
    default = ("invalid_request_error" if failure.status < 500 else "server_error", None)
    kind, code = _TYPES_AND_CODES.get(failure.status, default)
    return {"error": {"message": failure.message, "type": kind, "param": parameter, "code": code}}
