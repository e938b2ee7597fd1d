"""OpenAI's Responses API.

Belongs here: this dialect's face to the rest. What it reads is in `request.py` and `response.py`.
"""

import msgspec

from aibridge_core.dialects.interceptor import AnswerInterceptor
from aibridge_core.dialects.openai_errors import error_body, error_object
from aibridge_core.dialects.responses.continuations import Continuations
from aibridge_core.dialects.responses.request import read_request
from aibridge_core.dialects.responses.response import ResponsesReader
from aibridge_core.dialects.responses.restoring import restored
from aibridge_core.dialects.responses.tools import is_stored, offer
from aibridge_core.dialects.responses.turns import ResponsesTurns
from aibridge_core.dialects.tool_interceptor import ToolInterceptor
from aibridge_core.errors import BridgeError
from aibridge_core.tools import NO_TOOLS, Toolbox


class ResponsesDialect:
    """Implements `aibridge_core.dialects.api.Dialect`."""

    name = "responses"
    keep_alive = b": keep-alive\n\n"
    """A comment; the SSE standard makes every reader ignore it."""

    def __init__(self) -> None:
        self._continuations = Continuations()

    def intercept(self, body: bytes, toolbox: Toolbox = NO_TOOLS, *, path: str = "") -> AnswerInterceptor:
        """Read a request, and splice in the tools that its model is offered.

        Raises MalformedRequest, TooManyTools, and NotSupported for background requests.
        """
        request = read_request(self._continuations.applied(body))
        request = request.having(restored(request.body, toolbox.hidden))
        if tools := toolbox.tools:
            request = request.having(offer(request.body, tools))
            turns = ResponsesTurns(
                tools,
                voice=self,
                stored=is_stored(body),
                continuations=self._continuations,
            )
            return ToolInterceptor(request=request, voice=self, turns=turns, hidden=toolbox.hidden)
        return AnswerInterceptor(request=request, voice=self, new_reader=ResponsesReader)

    def refuse(self, error: BridgeError) -> bytes:
        """`{"error": {...}}`."""
        return error_body(error)

    def error_event(self, error: BridgeError) -> bytes:
        """An `error` event in both forms that clients know: its fields at the top, as the API reference has them,
        and under `error`, without which the official SDKs raise nothing. Events aren't counted for it, so its
        `sequence_number` is 0."""
        said = error_object(error)
        top = {"code": said["code"] or said["type"], "message": said["message"], "param": None}
        event = {"type": "error", **top, "sequence_number": 0, "error": said}
        return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"
