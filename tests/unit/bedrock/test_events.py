"""Messages of Bedrock's event stream as server-sent events, and streams that end as they shouldn't."""

import json
from collections.abc import Sequence

import pytest

from aibridge_core.bedrock.events import chunk_of, event_of, exception_of
from aibridge_core.bedrock.invoke_model import SseAnswer
from aibridge_core.errors import UpstreamBroken
from aibridge_core.eventstream import Message, encode
from aibridge_core.sse import SseScanner
from aibridge_core.testing.fakes import ScriptedAnswer, ScriptedUpstream
from aibridge_core.wire import UpstreamRequest

pytestmark = pytest.mark.anyio

START = encode(chunk_of(b'{"type":"message_start"}'))
STOP = encode(chunk_of(b'{"type":"message_stop"}'))


async def read(*pieces: bytes) -> tuple[bytes, str]:
    """What the client gets of a stream, and what is said of its end."""
    upstream = ScriptedUpstream(ScriptedAnswer(chunks=pieces))
    got = b""
    async with upstream.open(UpstreamRequest(method="POST", url="https://b.example", headers=())) as answer:
        try:
            async for piece in SseAnswer(answer).chunks():
                got += piece
        except UpstreamBroken as error:
            return got, error.message
    return got, ""


def names(events: bytes) -> Sequence[bytes]:
    return [event.name for event in SseScanner().feed(events)]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_cut_anywhere(size: int) -> None:
    """Messages are found wherever the network cuts."""
    whole = START + encode(chunk_of(b'{"type":"new_thing","x":1}')) + STOP
    got, broken = await read(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert (names(got), broken) == ([b"message_start", b"new_thing", b"message_stop"], "")


@pytest.mark.parametrize(
    ("pieces", "broken"),
    [
        ((START,), "ended before the answer was complete"),
        ((), "ended before the answer was complete"),
        ((START, STOP[:-1]), "ended before the answer was complete"),
        ((START, STOP[:-1] + b"x"), "is corrupt: the checksum of a message is wrong"),
        ((START, b"HTTP/1.1 502 Bad Gateway"), "is corrupt: the checksum of a message's lengths is wrong"),
        ((START + STOP + b"rest of something else",), ""),
        ((START, STOP, b"rest"), ""),
    ],
)
async def test_where_a_stream_breaks(pieces: Sequence[bytes], broken: str) -> None:
    """What came whole is relayed; behind the answer's end nothing can break it any more."""
    got, said = await read(*pieces)
    assert broken in said
    assert bool(said) == bool(broken)
    assert names(got) == ([b"message_start"] if pieces else []) + ([] if broken else [b"message_stop"])


@pytest.mark.parametrize(
    ("message", "type", "text"),
    [
        (exception_of("throttlingException", "Too many tokens"), "rate_limit_error", "Too many tokens"),
        (exception_of("modelTimeoutException", ""), "timeout_error", "modelTimeoutException"),
        (exception_of("newException", "role arn:aws:iam::123456789012:role/x"), "api_error", "role [withheld]"),
        (
            Message(
                headers={":message-type": "error", ":error-code": "InternalServerException", ":error-message": "oh"},
                payload=b"",
            ),
            "api_error",
            "oh",
        ),
        (Message(headers={":message-type": "exception"}, payload=b"\xff{"), "api_error", "\ufffd{"),
    ],
)
def test_exceptions_are_errors_of_the_messages_api(message: Message, type: str, text: str) -> None:
    """By their names; nothing of the gateway's account is told."""
    event = event_of(message)
    assert event is not None
    assert (event.name, json.loads(event.data)["error"]) == (b"error", {"type": type, "message": text})


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_inside_an_event_stay_inside_it(end: bytes) -> None:
    """White space of JSON, and a name that is none, can't begin another line of the stream."""
    data = b'{"type":"x\\ny",' + end + b'"a":1}'
    event = event_of(chunk_of(data))
    assert event is not None
    (read,) = SseScanner().feed(event.raw)
    assert (read.name, json.loads(read.data)) == (b"", {"type": "x\ny", "a": 1})


def test_what_isnt_known_is_skipped() -> None:
    """Other messages than chunks carry no event of the API."""
    assert event_of(Message(headers={":message-type": "event", ":event-type": "new"}, payload=b"{}")) is None
    assert event_of(chunk_of(b"no json")) is None
