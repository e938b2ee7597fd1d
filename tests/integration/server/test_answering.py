"""When an answer goes out: at once, and in as few packets as that allows."""

import asyncio
from typing import Any

import pytest

from aibridge_adapters.http.answering import Answering
from aibridge_adapters.http.reading import RequestReader

pytestmark = pytest.mark.anyio

LENGTH = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
CHUNKS = {"type": "http.response.start", "status": 200, "headers": []}
HEAD = b"HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\n"
HEAD_OF_CHUNKS = b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"


class Packets:
    """A connection that remembers what it was given in one go."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def flushed(self) -> None:
        """Nobody is slow."""

    broken = False

    def busy(self) -> None:
        """Not asked."""

    def idle(self) -> None:
        """Not asked."""

    async def close(self) -> None:
        """Not asked."""


class Asked:
    """One request that waits for its answer."""

    def __init__(self, *lines: bytes, method: bytes = b"GET") -> None:
        self.packets = Packets()
        self.over: list[bool] = []
        reader = RequestReader()
        reader.receive(b"\r\n".join([method + b" / HTTP/1.1", b"host: x", *lines, b"", b""]))
        head = reader.head()
        assert head is not None
        self.answer = Answering(head, reader, self.packets, self._over)

    async def _over(self, lasts: bool) -> None:
        self.over.append(lasts)

    async def say(self, *messages: dict[str, Any] | None) -> list[bytes]:
        """Messages in one turn of the event loop; what was sent for them by its end."""
        begin = len(self.packets.sent)
        for message in messages:
            await self.answer.send(message)
        await asyncio.sleep(0)
        return self.packets.sent[begin:]


def body(piece: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def test_a_whole_answer_is_one_packet() -> None:
    """Head and body; the connection lasts."""
    asked = Asked()
    assert await asked.say(LENGTH, body(b"body", more=False)) == [HEAD + b"body"]
    assert asked.over == [True]


async def test_an_answer_in_pieces() -> None:
    """The head goes with the first, the end with the last; an empty one is nothing."""
    asked = Asked()
    assert await asked.say(CHUNKS, body(b""), body(b"first")) == [HEAD_OF_CHUNKS + b"5\r\nfirst\r\n"]
    assert await asked.say(body(b"last", more=False)) == [b"4\r\nlast\r\n0\r\n\r\n"]
    assert asked.over == [True]


async def test_a_head_waits_for_no_body() -> None:
    """Clients of a stream want it before there is an event."""
    asked = Asked()
    assert await asked.say(CHUNKS, body(b"")) == [HEAD_OF_CHUNKS]
    assert await asked.say(body(b"late")) == [b"4\r\nlate\r\n"]
    assert asked.over == []


async def test_a_body_that_is_not_sent() -> None:
    """The head is the whole answer to HEAD."""
    asked = Asked(method=b"HEAD")
    assert await asked.say(LENGTH, body(b"body", more=False)) == [HEAD]


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ((None,), b"HTTP/1.1 500 \r\ncontent-length: 0\r\nConnection: close\r\n\r\n"),
        ((LENGTH, None), HEAD),
        ((CHUNKS, body(b"first"), None), HEAD_OF_CHUNKS + b"5\r\nfirst\r\n"),
    ],
)
async def test_an_application_that_leaves_too_early(messages: list[Any], sent: bytes) -> None:
    """A 500, or an answer that breaks off: its connection ends."""
    asked = Asked()
    assert await asked.say(*messages) == [sent]
    assert asked.over == [False]


async def test_an_answer_in_place_of_an_invitation_is_the_last() -> None:
    """The client may send the body in spite of it, and that would be taken for a request."""
    asked = Asked(b"expect: 100-continue", b"content-length: 9", method=b"POST")
    (packet,) = await asked.say(LENGTH, body(b"body", more=False))
    assert packet == HEAD.removesuffix(b"\r\n") + b"Connection: close\r\n\r\nbody"
    assert asked.over == [False]


@pytest.mark.parametrize(
    "messages",
    [(body(b"first"),), (LENGTH, LENGTH), (LENGTH, body(b"body", more=False), body(b"more")), ({"type": "lifespan"},)],
)
async def test_messages_out_of_order(messages: list[Any]) -> None:
    """A defect of the application, which hears of it."""
    with pytest.raises(RuntimeError, match="out of order"):
        await Asked().say(*messages)


async def test_whoever_is_gone_is_sent_nothing() -> None:
    """Not even a head that was said before."""
    asked = Asked()
    await asked.answer.send(LENGTH)
    asked.answer.gone = True
    assert await asked.say(body(b"body", more=False), None) == []
    assert asked.over == []
