"""Errors as the two OpenAI APIs put them, ours and the providers'.

Belongs here: the error object, the names in it, and what they mean for the record. Never: how one API wraps it inside
a stream. Source: OpenAI's API reference, "Error codes".
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.failures import failure_of_error, type_of_status
from aibridge_core.errors import BridgeError, KeysUnauthorized
from aibridge_core.records import ErrorType


@frozen
class _Names:
    type: str
    code: str | None


# The SDKs choose their exception by the status; people and logs read these. Never `model_not_found` as a code: Codex
# takes a 404 with it for final and exits.
_BY_STATUS: Mapping[int, _Names] = {
    400: _Names("invalid_request_error", None),
    401: _Names("authentication_error", "invalid_api_key"),
    403: _Names("permission_error", "permission_denied"),
    404: _Names("not_found_error", "route_not_found"),
    405: _Names("invalid_request_error", "method_not_allowed"),
    413: _Names("invalid_request_error", "request_too_large"),
    415: _Names("invalid_request_error", "unsupported_content_encoding"),
    426: _Names("invalid_request_error", "upgrade_refused"),
    429: _Names("rate_limit_error", "rate_limit_exceeded"),
    501: _Names("invalid_request_error", "not_supported"),
    502: _Names("server_error", "bad_gateway"),
    503: _Names("server_error", "service_unavailable"),
    504: _Names("server_error", "timeout"),
}
# Where the status alone doesn't say it: a 502 that isn't about the way to the provider, but about what it was shown.
_BY_KIND: Mapping[type[BridgeError], _Names] = {
    KeysUnauthorized: _Names("api_error", "server_error"),
}
_CLIENT_FAULT = _Names("invalid_request_error", None)
_SERVER_FAULT = _Names("server_error", "internal_error")

# What providers write into `type` and `code` of an error inside an answer, OpenAI's own names first.
_RECORDED: Mapping[str, ErrorType] = {
    "rate_limit_exceeded": ErrorType.RATE_LIMITED,
    "rate_limit_error": ErrorType.RATE_LIMITED,
    "insufficient_quota": ErrorType.RATE_LIMITED,
    "usage_limit_reached": ErrorType.RATE_LIMITED,
    "tokens": ErrorType.RATE_LIMITED,  # the `type` that goes with a limit on tokens per minute
    "requests": ErrorType.RATE_LIMITED,  # likewise, requests per minute
    "server_is_overloaded": ErrorType.OVERLOADED,
    "slow_down": ErrorType.OVERLOADED,
    "overloaded_error": ErrorType.OVERLOADED,
    "service_unavailable": ErrorType.OVERLOADED,
    "server_error": ErrorType.SERVER_ERROR,
    "internal_error": ErrorType.SERVER_ERROR,
    "api_error": ErrorType.SERVER_ERROR,
    "vector_store_timeout": ErrorType.TIMEOUT,
    "timeout": ErrorType.TIMEOUT,
    "invalid_api_key": ErrorType.UNAUTHORIZED,
    "authentication_error": ErrorType.UNAUTHORIZED,
    "permission_error": ErrorType.UNAUTHORIZED,
    "invalid_request_error": ErrorType.BAD_REQUEST,
    "invalid_prompt": ErrorType.BAD_REQUEST,
    "invalid_image": ErrorType.BAD_REQUEST,
    "context_length_exceeded": ErrorType.BAD_REQUEST,
    "content_policy_violation": ErrorType.BAD_REQUEST,
    "content_filter": ErrorType.BAD_REQUEST,
    "cyber_policy": ErrorType.BAD_REQUEST,
    "bio_policy": ErrorType.BAD_REQUEST,
    "model_not_found": ErrorType.BAD_REQUEST,
}


def error_object(error: BridgeError) -> dict[str, str | None]:
    """The value under `error`."""
    default = _CLIENT_FAULT if error.status < 500 else _SERVER_FAULT
    names = _BY_KIND.get(type(error)) or _BY_STATUS.get(error.status, default)
    message = error.message.encode("utf-8", "replace").decode()
    return {"message": message, "type": names.type, "param": None, "code": names.code}


def error_body(error: BridgeError) -> bytes:
    """The JSON body of an answer with an error status."""
    return msgspec.json.encode({"error": error_object(error)})


def reported(error: Any) -> Failed:
    """What an error inside an answer says: an object, or just a text, whatever its fields hold."""
    if not isinstance(error, dict):
        error = {"message": error}
    failed = failure_of_error(error, _RECORDED)
    code = error.get("code")
    if type(code) is int and 400 <= code < 600:
        # Gateways such as OpenRouter put the HTTP status there.
        return Failed(type_of_status(code), failed.message)
    by_code = _RECORDED.get(code) if isinstance(code, str) else None  # says more than the type
    return Failed(by_code or failed.error_type, failed.message)


def unlike_the_api(what: str) -> Failed:
    """The failure of an answer that isn't one of this API."""
    return Failed(ErrorType.UNKNOWN, f"the provider's answer could not be read: {what}")
