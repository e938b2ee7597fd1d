"""Events with other data keep the rest of what they were."""

import pytest

from aibridge_core.dialects.tool_interceptor import rewritten
from aibridge_core.sse import SseScanner


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b": hi\r\nid: 7\r\ndata: {}\r\n\r\n", b": hi\r\nid: 7\r\ndata: [1]\r\n\r\n"),
        (b"event: x\ndata: {\ndata: }\n\n", b"event: x\ndata: [1]\n\n"),
    ],
)
def test_an_event_is_rewritten_in_place(source: bytes, expected: bytes) -> None:
    """Unless its data stands on several lines: then it is written anew."""
    (event,) = SseScanner().feed(source)
    assert rewritten(event, b"[1]").data == expected


def test_data_that_stays_on_several_lines() -> None:
    """Every line of it is one of data."""
    (event,) = SseScanner().feed(b"data: {\ndata: }\n\n")
    assert rewritten(event, b"{\n1}").data == b"data: {\ndata: 1}\n\n"
