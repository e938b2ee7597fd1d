"""A provider as lean as possible, so that the bench measures the gateway and not this: `python bench/upstream.py`.

Belongs here: one blocking answer and one stream of the Messages API. The query says which: `?events=300&gap_ms=20`
streams 300 events, 20 ms apart (0: as fast as they go); without `events` the answer is one JSON object of 2 KB.
Prints its port. Every event of a paced stream carries the time it was sent at, in nanoseconds of the monotonic
clock, which all processes of a machine share.
"""

import asyncio
import json
import time
from urllib.parse import parse_qs

TEXT = "The quick brown fox jumps over the lazy dog. "
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_bench","type":"message",'
    b'"role":"assistant","model":"bench-model","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":5000,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":" and so on, at %d"}}\n\n'
)
END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":300}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\nrequest-id: req_bench\r\n"
STREAM_HEAD = HEAD + b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


def _blocking_answer() -> bytes:
    message = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "bench-model",
        "content": [{"type": "text", "text": TEXT * 38}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5000, "output_tokens": 400, "cache_read_input_tokens": 0},
    }
    body = json.dumps(message).encode()
    return HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


ANSWER = _blocking_answer()


def chunk(data: bytes) -> bytes:
    """In the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Provider(asyncio.Protocol):
    """One connection, one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            found = head.find(b"content-length:")
            length = int(head[found + 15 :].partition(b"\r\n")[0]) if found >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            del self.buffer[: end + 4 + length]
            self.answer(head.partition(b"\r\n")[0].split(b" ")[1])

    def answer(self, target: bytes) -> None:
        """Send what the query asks for."""
        query = parse_qs(target.partition(b"?")[2].decode())
        events, gap = int(query.get("events", ["0"])[0]), float(query.get("gap_ms", ["0"])[0]) / 1000
        if not events:
            self.transport.write(ANSWER)
        elif gap:
            self.transport.write(STREAM_HEAD + chunk(START))
            self.tick(events, gap, self.loop.time() + gap)
        else:
            self.transport.write(STREAM_HEAD + chunk(START))
            for number in range(events):
                self.transport.write(chunk(DELTA % number))
            self.transport.write(chunk(END) + b"0\r\n\r\n")

    def tick(self, left: int, gap: float, due: float) -> None:
        """Send one event when it is due, and arrange the next."""
        if not left:
            self.transport.write(chunk(END) + b"0\r\n\r\n")
            return

        def send() -> None:
            self.transport.write(chunk(DELTA % time.monotonic_ns()))
            self.tick(left - 1, gap, due + gap)

        self.timer = self.loop.call_at(due, send)


async def main() -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
