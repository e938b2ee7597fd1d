"""What Bedrock says when it fails or refuses, as the errors of the Messages API.

Belongs here: AWS's names for what went wrong, and which of its words everybody may read. Never: events of a stream.

Source: the Amazon Bedrock Runtime API, errors of InvokeModel and CountTokens; platform.claude.com/docs, "Errors".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read_any
from aibridge_core.wire import AnswerHead, header

_TYPES: Final[Mapping[str, str]] = {
    "accessDeniedException": "permission_error",
    "conflictException": "invalid_request_error",
    "expiredTokenException": "authentication_error",
    "incompleteSignatureException": "authentication_error",
    "internalServerException": "api_error",
    "invalidSignatureException": "authentication_error",
    "missingAuthenticationTokenException": "authentication_error",
    "modelErrorException": "api_error",
    "modelNotReadyException": "overloaded_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "resourceNotFoundException": "not_found_error",
    "serviceQuotaExceededException": "rate_limit_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "unrecognizedClientException": "authentication_error",
    "validationException": "invalid_request_error",
}
"""AWS's exceptions, as they stand in streams -> the error types of the Messages API."""
_BY_STATUS: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""For answers that name no exception: those of a load balancer, for example."""
_ACCOUNT: Final = re.compile(
    r"arn:aws[a-z-]*:[^\s:,;'\"]*:[^\s:,;'\"]*:\d{12}:[^\s,;'\"]*[^\s,;'\".]|(?<!\d)\d{12}(?!\d)"
)
"""What names an AWS account, or a role, a profile or a guardrail in it."""
_WITHHELD: Final = "[withheld]"


def error_body(name: str, text: str, *, status: int = 500) -> bytes:
    """The error of the Messages API for an exception of AWS, `status` where it has no name that is known."""
    kind = _TYPES.get(name[:1].lower() + name[1:]) or _type_of_status(status)
    message = told(text) or name or "the provider reported an error"
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def refusal(head: AnswerHead, body: bytes) -> bytes:
    """The same for an answer with an error status. One that is of the Messages API already stays as it is."""
    answer = try_read_any(body)
    said: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    if said.get("type") == "error" and isinstance(said.get("error"), dict):
        return body
    named = header(head.headers, b"x-amzn-errortype") or text_or(said.get("__type"))
    name = named.partition(":")[0].rpartition("#")[2]
    text = text_or(said.get("message")) or text_or(said.get("Message"))
    return error_body(name, text or f"Amazon Bedrock answered with status {head.status}", status=head.status)


def told(text: str) -> str:
    """What everybody may read of a message: AWS quotes who was refused, which is the gateway, by account and role.

    All else stays: clients recover by what is said, such as `Input is too long for requested model.`
    """
    return _ACCOUNT.sub(_WITHHELD, text)


def _type_of_status(status: int) -> str:
    return _BY_STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")
