"""What a message on a WebSocket is, and errors as messages."""

import json

import pytest

from aibridge_core.dialects.responses.frames import (
    Asks,
    as_event,
    asks,
    ends_response,
    error_message,
    message_of,
)
from aibridge_core.errors import RateLimited
from aibridge_core.sse import SseScanner


@pytest.mark.parametrize(
    ("message", "wants"),
    [
        (b'{"type": "response.create", "model": "m-1"}', Asks.RESPONSE),
        (b'{"model": "m-1", "type": "response.create"}', Asks.RESPONSE),
        (b'{"type": "response.cancel", "type": "response.create"}', Asks.RESPONSE),
        (b'{"type": "response.append"}', Asks.RESPONSE),
        (b'{"type": "response.cancel"}', Asks.NOTHING_NEW),
        (b'{"type": "session.update"}', Asks.UNKNOWN),
        (b'{"type": ["response.cancel"]}', Asks.UNKNOWN),
        (b"{}", Asks.UNKNOWN),
        (b"[" * 100_000, Asks.UNKNOWN),
        (b"\xff", Asks.UNKNOWN),
    ],
)
def test_what_a_client_wants(message: bytes, wants: Asks) -> None:
    """Whatever can't be told from a request is not taken for harmless."""
    assert asks(message) is wants


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("response.completed", True),
        ("response.incomplete", True),
        ("response.failed", True),
        ("error", True),
        ("response.created", False),
        ("response.output_text.done", False),
        ("", False),
    ],
)
def test_which_message_is_the_last(kind: str, last: bool) -> None:
    """The ones at which a stream would end, too."""
    assert ends_response(json.dumps({"delta": "x", "type": kind}).encode()) is last


def test_a_message_is_read_as_one_event_however_it_is_laid_out() -> None:
    """Line ends between tokens would end an event; within texts they are escaped."""
    message = b'{\r\n "type": "error",\n\n "message": "a\\nb"\r}'
    (event,) = SseScanner().feed(as_event(message))
    assert json.loads(event.data) == {"type": "error", "message": "a\nb"}


def test_an_error_says_what_it_would_say_over_http() -> None:
    """Status and headers included."""
    said = json.loads(error_message(RateLimited("slow down", retry_after=3)))
    assert said == {
        "type": "error",
        "status": 429,
        "error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        },
        "headers": {"retry-after": "3"},
    }


def test_an_event_of_our_own_becomes_a_message() -> None:
    """Without its framing."""
    assert message_of(b'event: error\ndata: {"type":"error"}\n\n') == b'{"type":"error"}'
