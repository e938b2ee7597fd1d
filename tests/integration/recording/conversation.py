"""One question and its streamed answer, for tests of the whole gateway. Never: a rule."""

import anyio

from support.raw_upstream import Answering, Received

BODY = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"m-1",'
    b'"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
)
END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
MESSAGES = "/anthropic/v1/messages"


class Paused:
    """An upstream that sends the first event, and the last one when it is told to."""

    def __init__(self) -> None:
        self.go_on = anyio.Event()

    async def __call__(self, request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await self.go_on.wait()
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")


async def at_once(request: Received, answer: Answering) -> None:
    await answer.stream(START, END)
