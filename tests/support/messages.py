"""Events and bodies of the Messages API, written as tests need them."""

import json
from typing import Any

USAGE = {"input_tokens": 25, "output_tokens": 1}


def event(name: str, **fields: Any) -> bytes:
    """One event as the API writes it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **fields}).encode())


def start(usage: Any = USAGE, **fields: Any) -> bytes:
    """`message_start`."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "usage": usage,
    }
    return event("message_start", message=message | fields)


def block(index: int, kind: str, **fields: Any) -> bytes:
    """`content_block_start`."""
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def tool(index: int, name: str = "Read", id: str = "toolu_1", kind: str = "tool_use", **fields: Any) -> bytes:
    """`content_block_start` of a call."""
    return block(index, kind, **({"id": id, "name": name, "input": {}} | fields))


def delta(index: int, kind: str, **fields: Any) -> bytes:
    """`content_block_delta`."""
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text(index: int, value: str) -> bytes:
    return delta(index, "text_delta", text=value)


def thinking(index: int, value: str) -> bytes:
    return delta(index, "thinking_delta", thinking=value)


def arguments(index: int, *pieces: str) -> bytes:
    return b"".join(delta(index, "input_json_delta", partial_json=piece) for piece in pieces)


def stop(index: int) -> bytes:
    """`content_block_stop`."""
    return event("content_block_stop", index=index)


def end(usage: Any, stop_reason: str | None = "end_turn") -> bytes:
    """`message_delta`."""
    return event("message_delta", delta={"stop_reason": stop_reason, "stop_sequence": None}, usage=usage)


STOP = event("message_stop")
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def error(kind: str = "overloaded_error", message: str = "Overloaded") -> bytes:
    return event("error", error={"type": kind, "message": message})


def message(*content: Any, **fields: Any) -> bytes:
    """A whole answer that isn't a stream."""
    usage = {"input_tokens": 25, "output_tokens": 7}
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "usage": usage,
    }
    return json.dumps(whole | fields).encode()
