"""OpenAI's chat completions API, as many providers speak it.

Belongs here: this dialect's face to the rest. What it reads is in `request.py` and `response.py`.
"""

from functools import partial

import msgspec

from aibridge_core.dialects.chat_completions.request import read_request
from aibridge_core.dialects.chat_completions.response import ChatReader
from aibridge_core.dialects.chat_completions.restoring import restored
from aibridge_core.dialects.chat_completions.tools import offer, takes_tools
from aibridge_core.dialects.chat_completions.turns import ChatTurns
from aibridge_core.dialects.interceptor import AnswerInterceptor
from aibridge_core.dialects.openai_errors import error_body, error_object
from aibridge_core.dialects.tool_interceptor import ToolInterceptor
from aibridge_core.errors import BridgeError
from aibridge_core.tools import NO_TOOLS, Toolbox


class ChatCompletionsDialect:
    """Implements `aibridge_core.dialects.api.Dialect`."""

    name = "chat_completions"
    keep_alive = b": keep-alive\n\n"
    """A comment; the SSE standard makes every reader ignore it."""

    def intercept(self, body: bytes, toolbox: Toolbox = NO_TOOLS, *, path: str = "") -> AnswerInterceptor:
        """Read a request, and splice in the tools that its model is offered. Raises MalformedRequest, TooManyTools."""
        view = read_request(body)
        asked = view.body is not body
        view = view.having(restored(view.body, toolbox.hidden))
        tools = toolbox.tools
        if tools and takes_tools(body):
            view = view.having(offer(view.body, tools))
            turns = ChatTurns(tools, voice=self, hide_usage=asked)
            return ToolInterceptor(request=view, voice=self, turns=turns, hidden=toolbox.hidden)
        return AnswerInterceptor(
            request=view, voice=self, new_reader=partial(ChatReader, hide_usage=asked), edits_answers=asked
        )

    def refuse(self, error: BridgeError) -> bytes:
        """`{"error": {...}}`."""
        return error_body(error)

    def error_event(self, error: BridgeError) -> bytes:
        """A chunk that holds only an error: the SDKs raise at it. `[DONE]` ends the stream for those who read on."""
        return b"data: " + msgspec.json.encode({"error": error_object(error)}) + b"\n\ndata: [DONE]\n\n"
