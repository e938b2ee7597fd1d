"""Microseconds per event that reading a stream costs, for each dialect: `python bench/parse.py`.

Belongs here: the parsers alone, without sockets. The target is 2 us an event.
"""

import json
import sys
import timeit
from collections.abc import Mapping, Sequence
from typing import Any

from aibridge_core.dialects.registry import DIALECTS
from aibridge_core.wire import AnswerHead

EVENTS = 300
TARGET = 2.0
STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
TEXT = " a few words"

Event = Mapping[str, Any]


def _messages() -> Sequence[Event]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    delta = {"type": "text_delta", "text": TEXT}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for _ in range(EVENTS)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": EVENTS}},
        {"type": "message_stop"},
    ]


def _chat_completions() -> Sequence[Event]:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 10, "completion_tokens": EVENTS, "total_tokens": 10 + EVENTS}

    def choice(delta: Event, reason: str | None = None) -> Event:
        return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    return [
        choice({"role": "assistant", "content": ""}),
        *(choice({"content": TEXT}) for _ in range(EVENTS)),
        choice({}, "stop"),
        {**chunk, "choices": [], "usage": usage},
    ]


def _responses() -> Sequence[Event]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    usage = {"input_tokens": 10, "output_tokens": EVENTS, "total_tokens": 10 + EVENTS}
    response = {"id": "resp_1", "object": "response", "model": "m", "output": []}
    done = {**item, "content": [{"type": "output_text", "text": TEXT * EVENTS}]}
    events = [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *(
            {
                "type": "response.output_text.delta",
                "item_id": "msg_1",
                "output_index": 0,
                "content_index": 0,
                "delta": TEXT,
            }
            for _ in range(EVENTS)
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [done], "usage": usage},
        },
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _framed(event: Event, *, named: bool) -> bytes:
    data = json.dumps(event, separators=(",", ":")).encode()
    return (b"event: %s\n" % event["type"].encode() if named else b"") + b"data: %s\n\n" % data


STREAMS: Mapping[str, tuple[Sequence[bytes], Event]] = {
    "messages": (
        [_framed(event, named=True) for event in _messages()],
        {"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]},
    ),
    "chat_completions": (
        [*(_framed(event, named=False) for event in _chat_completions()), b"data: [DONE]\n\n"],
        {"messages": [{"role": "user", "content": "hello"}], "stream_options": {"include_usage": True}},
    ),
    "responses": ([_framed(event, named=True) for event in _responses()], {"input": "hello"}),
}


def microseconds(name: str, pieces: Sequence[bytes]) -> float:
    """Per event, the best of several runs: the others were disturbed."""
    dialect = DIALECTS[name]
    body = json.dumps({"model": "m", "stream": True, **STREAMS[name][1]}).encode()

    def read() -> None:
        interceptor = dialect.intercept(body)
        interceptor.begin_turn(STREAM)
        for piece in pieces:
            interceptor.feed(piece)
        interceptor.end_turn()

    def request_alone() -> None:
        dialect.intercept(body).begin_turn(STREAM)

    runs = 50
    whole, before = (min(timeit.repeat(each, number=runs, repeat=15)) / runs for each in (read, request_alone))
    return (whole - before) / len(STREAMS[name][0]) * 1e6


def main() -> int:
    """Print a table; 1 if a target is missed."""
    worst = 0.0
    print(f"{'dialect':18}{'one event a piece':>20}{'64 KiB a piece':>20}   (us per event, target {TARGET})")
    for name, (events, _) in STREAMS.items():
        joined = b"".join(events)
        large = [joined[start : start + 65536] for start in range(0, len(joined), 65536)]
        single, many = microseconds(name, events), microseconds(name, large)
        worst = max(worst, single, many)
        print(f"{name:18}{single:20.2f}{many:20.2f}")
    return int(worst > TARGET)


if __name__ == "__main__":
    sys.exit(main())
