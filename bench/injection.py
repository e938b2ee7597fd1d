"""What 40 injected tools add to a request of 100 KB and to a stream's first byte, in ms: `python bench/injection.py`.

Belongs here: the dialects alone, without sockets: what the gateway itself does before it asks the provider, and between
the provider's first text and the client's. The target is 0.5 ms each. `back`: the client comes back with a result of
its own tool, and the history gets what was hidden from it.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve

from aibridge_core.dialects.api import CallTools, Relay
from aibridge_core.dialects.registry import DIALECTS
from aibridge_core.hidden_turns import HiddenTurns, OwnTurns
from aibridge_core.tools import Tool, Toolbox, ToolResult
from aibridge_core.wire import AnswerHead

TARGET = 0.5
SIZE = 100_000
STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
JSON = AnswerHead(status=200, headers=((b"content-type", b"application/json"),))
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string", "description": "What to look for. " * 4} for name in ("query", "space")},
    "required": ["query"],
}
BOX = Toolbox(
    tools=[
        Tool(
            server="wiki", server_url="http://mcp", name=f"tool_{n:02}", description="Finds. " * 20, input_schema=SCHEMA
        )
        for n in range(40)
    ]
)
OURS = BOX.tools[0].id
Item = Mapping[str, Any]


def _padded(turns: Callable[[str], Sequence[Item]]) -> Sequence[Item]:
    """A conversation of agents: many messages, code in them, 100 KB."""
    line = 'def f(x):\n\treturn {"a": [x, "\u00e9"]}  # "quoted" \\ \n'
    once = turns(line * 20)
    return [*once] * (SIZE // len(json.dumps(once)))


def _messages(text: str) -> Sequence[Item]:
    use = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a.py"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": text}]}
    return [{"role": "user", "content": [result]}, {"role": "assistant", "content": [use]}]


def _chat(text: str) -> Sequence[Item]:
    call = {"id": "call_1", "type": "function", "function": {"name": "Read", "arguments": '{"path":"a.py"}'}}
    result = {"role": "tool", "tool_call_id": "call_1", "content": text}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}, result]


def _responses(text: str) -> Sequence[Item]:
    call = {"type": "function_call", "call_id": "call_1", "name": "Read", "arguments": '{"path":"a.py"}'}
    return [call, {"type": "function_call_output", "call_id": "call_1", "output": text}]


def _own(name: str) -> Item:
    """The client's tools, before those that are injected."""
    tool = {"name": name, "description": "Reads. " * 20}
    return {"tools": [tool] * 20}


def _sse(*events: Item) -> bytes:
    return b"".join(
        f"event: {event.get('type', '')}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        for event in events
    )


def _mixed(kind: str) -> tuple[Item, Sequence[Item], Sequence[Item]]:
    """An answer that calls both sides' tools; what the client has of it; the result it gives."""
    if kind == "messages":
        uses = [{"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}} for name in (OURS, "Read")]
        result = {"type": "tool_result", "tool_use_id": "toolu_Read", "content": "x"}
        answer: Item = {"id": "m", "content": uses, "stop_reason": "tool_use"}
        return answer, [{"role": "assistant", "content": uses[1:]}], [{"role": "user", "content": [result]}]
    if kind == "chat_completions":
        calls = [
            {"id": f"id_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
            for name in (OURS, "Read")
        ]
        said = {"role": "assistant", "content": None, "tool_calls": calls}
        answer = {"id": "c", "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}]}
        return (
            answer,
            [{**said, "tool_calls": calls[1:]}],
            [{"role": "tool", "tool_call_id": "id_Read", "content": "x"}],
        )
    items = [
        {"type": "function_call", "id": f"fc_{name}", "call_id": f"id_{name}", "name": name, "arguments": "{}"}
        for name in (OURS, "Read")
    ]
    result = {"type": "function_call_output", "call_id": "id_Read", "output": "x"}
    return {"id": "r", "status": "completed", "output": items}, items[1:], [result]


PLACE = {"messages": "messages", "chat_completions": "messages", "responses": "input"}
CONVERSATIONS = {"messages": _messages, "chat_completions": _chat, "responses": _responses}
RESPONSE = {"id": "r", "status": "in_progress", "output": []}
WORDS = {"role": "assistant", "content": "Hello"}
BEGINNINGS = {
    "messages": _sse(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    ),
    "chat_completions": _sse(
        {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}}]}
    ),
    "responses": _sse(
        {"type": "response.created", "sequence_number": 0, "response": RESPONSE},
        {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": {"type": "message"}},
        {"type": "response.output_text.delta", "sequence_number": 2, "output_index": 0, "delta": "Hello"},
    ),
}


def request(kind: str, *more: Item, streaming: bool = True) -> bytes:
    """What an agent sends."""
    said = [*_padded(CONVERSATIONS[kind]), *more]
    options = {"stream_options": {"include_usage": True}} if kind == "chat_completions" and streaming else {}
    return json.dumps({"model": "m", "stream": streaming, **_own("Read"), **options, PLACE[kind]: said}).encode()


def hiding(kind: str) -> OwnTurns:
    """A user whose last answer hid a call."""
    hidden = HiddenTurns(now=time.monotonic).of("ann")
    interceptor = DIALECTS[kind].intercept(request(kind, streaming=False), evolve(BOX, hidden=hidden))
    interceptor.begin_turn(JSON)
    interceptor.feed(json.dumps(_mixed(kind)[0]).encode())
    *_, asked = interceptor.end_turn()
    assert isinstance(asked, CallTools)
    interceptor.conclude([ToolResult(call=call, content=[{"type": "text", "text": "42"}]) for call in asked.calls])
    return hidden


def milliseconds(*works: Callable[[], object], runs: int = 400) -> Sequence[float]:
    """Each one's best of many runs, in turns, so that a busy machine troubles all alike."""
    best = [float("inf")] * len(works)
    for _ in range(runs):
        for number, work in enumerate(works):
            begun = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - begun)
    return [seconds * 1000 for seconds in best]


def measured(kind: str) -> Mapping[str, float]:
    """What is added, by what it is added to."""
    dialect, body, text = DIALECTS[kind], request(kind), BEGINNINGS[kind]
    _, seen, given = _mixed(kind)
    back, box = request(kind, *seen, *given), evolve(BOX, hidden=hiding(kind))
    assert len(json.loads(dialect.intercept(back, box).request.body)[PLACE[kind]]) >= len(json.loads(back)[PLACE[kind]])
    assert OURS.encode() in dialect.intercept(back, Toolbox(hidden=box.hidden)).request.body

    def beginning(toolbox: Toolbox) -> Callable[[], object]:
        interceptor = dialect.intercept(body, toolbox)

        def read() -> object:
            interceptor.begin_turn(STREAM)
            steps = interceptor.feed(text)
            assert any(isinstance(step, Relay) for step in steps)
            return steps

        return read

    plain, tools, again, first, first_with = milliseconds(
        lambda: dialect.intercept(body),
        lambda: dialect.intercept(body, BOX),
        lambda: dialect.intercept(back, box),
        beginning(Toolbox()),
        beginning(BOX),
    )
    return {"request": tools - plain, "back": again - plain, "first byte": tools - plain + first_with - first}


def main() -> int:
    """Print a table; 1 if the target is missed."""
    found = {kind: measured(kind) for kind in BEGINNINGS}
    columns = list(found["messages"])
    print(f"{'added by 40 tools, in ms':26}" + "".join(f"{column:>14}" for column in columns) + f"   (target {TARGET})")
    for kind, times in found.items():
        print(f"{kind:26}" + "".join(f"{times[column]:14.3f}" for column in columns))
    return int(max(value for times in found.values() for value in times.values()) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
