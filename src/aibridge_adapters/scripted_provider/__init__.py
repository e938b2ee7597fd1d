"""A provider without a model: speaks the three APIs, answers by a script, remembers what it was asked.

For tests of anything that talks to an AI provider, and for `aibridge demo`. It needs no network and no key, and the
same requests in the same order get the same answers.

    async with scripted_provider() as provider:
        client = anthropic.AsyncAnthropic(base_url=provider.base_url, api_key="any")
        await client.messages.create(model="m", max_tokens=99, messages=[{"role": "user", "content": "Hi. no tools"}])
        assert provider.requests[0].json["model"] == "m"

Served, below any base path: `POST /messages`, `POST /messages/count_tokens`, `POST /chat/completions`,
`POST /responses`, `GET /models`. If tools are offered, one is called with arguments that fit its schema, and when its
result is back the answer is text. `MAGIC_WORDS` in the last user prompt change that: "error 429", "cut", "slow" ...

A test that wants an answer of its own brings a script, which is any function from a `Turn` to an `Answer`:

    def script(turn: Turn) -> Answer | HttpFailure:
        return Answer(parts=[Thought("Hm."), Text("42")]) if turn.tool_results else HttpFailure(status=529)

or answers `in_order`. `ScriptedProvider` is the same as an ASGI application, for a test without sockets.
"""

from aibridge_adapters.scripted_provider.app import ScriptedProvider
from aibridge_adapters.scripted_provider.magic import magic_words
from aibridge_adapters.scripted_provider.plan import MAGIC_WORDS
from aibridge_adapters.scripted_provider.received import ReceivedRequest
from aibridge_adapters.scripted_provider.serving import RunningProvider, scripted_provider
from aibridge_adapters.scripted_provider.values import (
    Answer,
    Api,
    Fault,
    HttpFailure,
    OfferedTool,
    Part,
    Script,
    ScriptExhausted,
    Stop,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
    in_order,
)

__all__ = [
    "MAGIC_WORDS",
    "Answer",
    "Api",
    "Fault",
    "HttpFailure",
    "OfferedTool",
    "Part",
    "ReceivedRequest",
    "RunningProvider",
    "Script",
    "ScriptExhausted",
    "ScriptedProvider",
    "Stop",
    "Text",
    "Thought",
    "ToolCall",
    "Turn",
    "Usage",
    "in_order",
    "magic_words",
    "scripted_provider",
]
