"""The core alone: bytes in, facts out. No server, no event loop, no network, no database.

A dialect knows one AI API. It is given a request and then the answer's bytes, cut anywhere, as they would come from a
socket; it gives back what to relay and what there is to know. Run it, with a recorded stream of your own if you like:

    python examples/read_a_stream.py [STREAM]
"""

import sys
from pathlib import Path

from aibridge_core.dialects.api import Failed, Observed, Relay
from aibridge_core.dialects.registry import DIALECTS
from aibridge_core.records import ModelThought, PromptUsage, TokenUsage, ToolUsage
from aibridge_core.wire import AnswerHead

# What the client sent. "messages" is the API of Anthropic; the others are "chat_completions" and "responses".
DIALECT = DIALECTS["messages"]
REQUEST = (
    b'{"model": "claude-x", "max_tokens": 99, "stream": true, "messages": [{"role": "user", "content": "Read it"}]}'
)

STREAM = Path(__file__).parent / "data" / "messages_stream.txt"

PIECE = 7
"""Bytes at a time, so that events and even characters are cut."""


def main(stream: bytes) -> None:
    """Feed the stream to the dialect and print what it learns."""
    interceptor = DIALECT.intercept(REQUEST)
    view = interceptor.request
    print(f"Request   model {view.model}, streaming {view.streaming}, prompt {view.prompt!r}")

    interceptor.begin_turn(AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),)))
    relayed = b""
    steps = [step for at in range(0, len(stream), PIECE) for step in interceptor.feed(stream[at : at + PIECE])]
    for step in [*steps, *interceptor.end_turn()]:
        match step:
            case Relay(data):
                relayed += data
            case Observed(fact):
                describe(fact)
            case Failed(kind, message):
                print(f"Failed    {kind}: {message}")
    print(f"Relayed   {len(relayed)} bytes, {'the same' if relayed == stream else 'NOT the same'} that came in")


def describe(fact: PromptUsage | TokenUsage | ToolUsage | ModelThought) -> None:
    """One line for each kind of fact."""
    match fact:
        case TokenUsage():
            cached = (
                f"{fact.cache_read_input_tokens} read from and {fact.cache_write_input_tokens} written to the cache"
            )
            print(f"Tokens    {fact.input_tokens} in, {fact.output_tokens} out, {cached}")
        case ToolUsage():
            print(f"Tool      {fact.tool} with {fact.arguments}")
        case ModelThought():
            print(f"Thought   {fact.content}")
        case PromptUsage():
            print(f"Prompt    {fact.prompt}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else STREAM.read_bytes())
