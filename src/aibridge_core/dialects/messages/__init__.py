"""The Anthropic Messages API.

Belongs here: how the gateway speaks for itself in this API, and the way to its readers. Never: what a request or an
answer means; see `request.py` and `response.py`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from aibridge_core.dialects.interceptor import AnswerInterceptor
from aibridge_core.dialects.messages.request import read_request
from aibridge_core.dialects.messages.response import MessagesReader
from aibridge_core.dialects.messages.restoring import restored
from aibridge_core.dialects.messages.tools import offer
from aibridge_core.dialects.messages.turns import MessagesTurns
from aibridge_core.dialects.tool_interceptor import ToolInterceptor
from aibridge_core.errors import BridgeError, MalformedRequest
from aibridge_core.tools import NO_TOOLS, Tool, Toolbox

# The API's own names (platform.claude.com/docs, "Errors"); where it has none for a status, the name that makes
# its clients do the right thing.
_ERROR_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    501: "not_supported",  # Claude Code's name for an endpoint that a gateway doesn't have
    503: "overloaded_error",  # clients back off and come again, which is what our 503s ask for
    504: "timeout_error",
    529: "overloaded_error",
}
_OTHER_CLIENT_FAULT = "invalid_request_error"
_OTHER_SERVER_FAULT = "api_error"


class MessagesDialect:
    """Implements `aibridge_core.dialects.api.Dialect`."""

    name = "messages"
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'
    """The API's own sign of life; the official SDKs skip it."""

    def intercept(self, body: bytes, toolbox: Toolbox = NO_TOOLS, *, path: str = "") -> AnswerInterceptor:
        """Read a request, and splice in the tools that its model is offered. Raises MalformedRequest."""
        request = read_request(body)
        request = request.having(restored(body, toolbox.hidden))
        if tools := toolbox.for_model(request.model):
            turns = MessagesTurns(tools, voice=self)
            request = request.having(_offering(request.body, tools))
            return ToolInterceptor(request=request, voice=self, turns=turns, hidden=toolbox.hidden)
        return AnswerInterceptor(request=request, voice=self, new_reader=MessagesReader)

    def refuse(self, error: BridgeError) -> bytes:
        """The API's JSON error body."""
        default = _OTHER_CLIENT_FAULT if error.status < 500 else _OTHER_SERVER_FAULT
        kind = _ERROR_TYPES.get(error.status, default)
        message = error.message.encode("utf-8", "replace").decode()
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})

    def error_event(self, error: BridgeError) -> bytes:
        """The same inside a stream; this API has no further end marker after it."""
        return b"event: error\ndata: " + self.refuse(error) + b"\n\n"


def _offering(body: bytes, tools: Sequence[Tool]) -> bytes:
    try:
        return offer(body, tools)
    except ValueError as error:
        raise MalformedRequest(f"The request body does not fit the Messages API: `tools`: {error}") from None
