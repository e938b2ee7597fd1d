"""What the gateway learns of a Messages request, and what it refuses."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import RequestView
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.errors import MalformedRequest


def view(body: bytes) -> RequestView:
    return MessagesDialect().intercept(body).request


def read(*messages: Any, **fields: Any) -> RequestView:
    return view(json.dumps({"model": "claude-x", "messages": messages, **fields}).encode())


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def result(tool_use_id: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": [text("not a prompt")]}


IMAGE = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
ASSISTANT = {"role": "assistant", "content": [text("I am not the user")]}
SYSTEM = {"role": "system", "content": [text("Be terse."), result("toolu_system")]}


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        pytest.param([user("hello")], "hello", id="a text"),
        pytest.param([user("")], "", id="an empty text"),
        pytest.param([user([text("a"), text("b")])], "b", id="the last part of text"),
        pytest.param([user([text("a"), IMAGE])], "a", id="an image after it"),
        pytest.param([user([text("a"), text(7), text(None), {"type": "text"}])], "a", id="texts that are none"),
        pytest.param([user([text("a"), "b", None, 3, [text("c")]])], "a", id="parts that are none"),
        pytest.param([user([text("a"), {"type": "document", "text": "b"}])], "a", id="a text of another part"),
        pytest.param([user([text("a"), result("toolu_1")])], "a", id="a tool's result after it"),
        pytest.param([user([result("toolu_1"), text("a")])], "a", id="a tool's result before it"),
        pytest.param([user([result("toolu_1")])], None, id="a tool's result alone"),
        pytest.param([user([IMAGE])], None, id="an image alone"),
        pytest.param([user([])], None, id="nothing in it"),
        pytest.param([user("early"), ASSISTANT], None, id="the assistant's turn"),
        pytest.param([user("early"), ASSISTANT, user("late")], "late", id="the last turn"),
        pytest.param([user("early"), ASSISTANT, user([result("toolu_1")])], None, id="no look back"),
        pytest.param([user("early"), SYSTEM], "early", id="instructions behind it"),
        pytest.param([user("early"), SYSTEM, SYSTEM], "early", id="several instructions behind it"),
        pytest.param([user("early"), ASSISTANT, SYSTEM], None, id="instructions behind the assistant's turn"),
        pytest.param([SYSTEM], None, id="instructions alone"),
        pytest.param([user("early"), {"role": "future", "content": "x"}], None, id="an unknown role"),
        pytest.param([user("early"), {"content": "x"}], None, id="no role"),
        pytest.param([user("early"), {"role": ["user"], "content": "x"}], None, id="a role that is none"),
        pytest.param([user("early"), 7], None, id="a message that is none"),
        pytest.param([user(123)], None, id="content that is a number"),
        pytest.param([user({"type": "text", "text": "x"})], None, id="content that is an object"),
        pytest.param([user(None)], None, id="content that is null"),
        pytest.param([{"role": "user"}], None, id="no content"),
        pytest.param([], None, id="no messages"),
    ],
)
def test_the_last_user_prompt(messages: list[Any], prompt: str | None) -> None:
    """It is the last text of the last turn, if that is the user's; odd content gives none and is never refused."""
    assert read(*messages).prompt == prompt


@pytest.mark.parametrize(
    ("messages", "tool_call_id"),
    [
        pytest.param([user([result("toolu_1")])], "toolu_1", id="one result"),
        pytest.param([user([result("toolu_1"), result("toolu_2")])], "toolu_2", id="the last of several"),
        pytest.param(
            [user([result("toolu_1"), result(""), result(None), result(7)])], "toolu_1", id="ids that are none"
        ),
        pytest.param([user([result("toolu_1"), text("go on")])], "toolu_1", id="text behind it"),
        pytest.param([user([result("toolu_1")]), SYSTEM], "toolu_1", id="instructions behind it"),
        pytest.param([{"role": "tool", "content": [result("toolu_1")]}], "toolu_1", id="any role"),
        pytest.param([user([result("toolu_1")]), ASSISTANT], None, id="an earlier turn"),
        pytest.param([user("hi")], None, id="no result"),
        pytest.param([user([{"type": "future", "tool_use_id": "toolu_1"}])], None, id="another part with such an id"),
    ],
)
def test_the_tool_call_that_the_request_answers(messages: list[Any], tool_call_id: str | None) -> None:
    """The last tool result of the last turn names the call that links this request to an earlier one."""
    assert read(*messages).correlating_tool_call_id == tool_call_id


@pytest.mark.parametrize(
    ("metadata", "hint"),
    [
        ({"user_id": "user_1_session_2"}, "user_1_session_2"),
        ({"user_id": '{"session_id":"s"}', "other": [1]}, '{"session_id":"s"}'),
        ({"user_id": 7}, None),
        ({"user_id": None}, None),
        ({}, None),
        (None, None),
        ("user_id", None),
        ([1], None),
    ],
)
def test_the_session_hint(metadata: Any, hint: str | None) -> None:
    """It is `metadata.user_id` as it stands; metadata of any other shape is the provider's to judge."""
    assert read(user("hi"), metadata=metadata).session_hint == hint


@pytest.mark.parametrize(("stream", "streaming"), [(b"true", True), (b"false", False), (b"null", False)])
def test_whether_a_stream_is_asked_for(stream: bytes, streaming: bool) -> None:
    """`stream` says so; without it the answer is a whole body."""
    assert view(b'{"model":"m","stream":%b}' % stream).streaming is streaming
    assert view(b'{"model":"m"}').streaming is False


@pytest.mark.parametrize("messages", [b"null", b"[]"])
def test_no_messages_are_no_reason_to_refuse(messages: bytes) -> None:
    """The provider knows best what it needs."""
    assert view(b'{"model":"m","messages":%b}' % messages).prompt is None
    assert view(b'{"model":"m"}').prompt is None


def test_the_body_is_kept_byte_for_byte() -> None:
    """Odd spaces, repeated keys, big numbers, escapes and unknown fields go upstream as they came."""
    body = (
        b'\n{ "model" : "m" ,"model":"m2", "big":123456789012345678901234567890,"f":1E+2,"esc":"\\u00e9\\/",'
        b'"messages":[{"role":"user","content":"hi","future":{"b":[1 , 2]}}] ,"future_field":null}\t\n'
    )
    request = view(body)
    assert request.body is body
    assert (request.model, request.prompt) == ("m2", "hi")


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"cut \ude00 off"', "cut \ufffd off"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\uD83D\uDE00 \\ud83d"', r"😀 \ud83d"),
        (rb'[{"type":"text","text":"a"},{"type":"tool_result","tool_use_id":"t","content":"\ud83d"}]', "a"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'[{"type":"image","data":"\xff"},{"type":"text","text":"\xe2\x82"}]', "\ufffd"),
    ],
)
def test_text_that_is_no_text(content: bytes, prompt: str) -> None:
    """Half a surrogate pair (JavaScript cuts texts so) and bytes that aren't UTF-8 read as U+FFFD."""
    body = b'{"model":"m","messages":[{"role":"user","content":%b}]}' % content
    assert (view(body).prompt, view(body).body) == (prompt, body)


def test_half_a_surrogate_pair_anywhere_is_no_reason_to_refuse() -> None:
    """Also in an earlier message, or in a field that the gateway doesn't know."""
    body = rb'{"x":"\ud800","messages":[{"role":"user","content":"\udc00"},{"role":"user","content":"hi"}],"model":"m"}'
    assert view(body).prompt == "hi"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "The request body is empty; expected a JSON object."),
        (b" \n", "The request body is empty; expected a JSON object."),
        (b'{"model": "m"', "not valid JSON: Input data was truncated"),
        (b'{"model": "m",}', "not valid JSON"),
        (b'{"model": "m"} x', "not valid JSON: trailing characters (byte 16)"),
        (b'{"model": "\\ud83d', "not valid JSON"),
        (b"{'model': 1}", "not valid JSON"),
        (b"hello", "not valid JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b"{}", "missing required field `model`"),
        (b'{"model": ""}', "`model` is empty - at `$.model`"),
        (b'{"model": " "}', "`model` is empty - at `$.model`"),
        (b'{"model": null}', "Expected `str`, got `null` - at `$.model`"),
        (b'{"model": 4}', "Expected `str`, got `int` - at `$.model`"),
        (b'{"model": "m", "stream": "yes"}', "Expected `bool | null`, got `str` - at `$.stream`"),
        (b'{"model": "m", "stream": 1}', "Expected `bool | null`, got `int` - at `$.stream`"),
        (b'{"model": "m", "messages": "hi"}', "Expected `array | null`, got `str` - at `$.messages`"),
        (b'{"model": "m", "messages": {"0": 1}}', "Expected `array | null`, got `object` - at `$.messages`"),
        (b'{"model": "m", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"model": "m", "messages": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}", "nested too deeply"),
    ],
)
def test_what_is_refused(body: bytes, complaint: str) -> None:
    """A body that can't be read says what is wrong and where, in words for the person who wrote the client."""
    with pytest.raises(MalformedRequest) as refusal:
        view(body)
    assert complaint in refusal.value.message


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "system", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "tool_use_id", "user_id"]), inner)
    ),
    max_leaves=20,
)


@given(st.lists(JSON_VALUES, max_size=4), JSON_VALUES)
def test_no_content_is_ever_refused(messages: list[Any], metadata: Any) -> None:
    """Whatever stands in messages and metadata, the request passes, and prompts are texts."""
    request = read(*messages, metadata=metadata)
    for value in (request.prompt, request.correlating_tool_call_id, request.session_hint):
        assert value is None or isinstance(value, str)


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda value: b'{"model":"' + value.encode() + b'"}'))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but MalformedRequest is raised."""
    try:
        assert view(body).model
    except MalformedRequest as refusal:
        assert refusal.message


def test_a_large_body_is_read_in_a_moment() -> None:
    """Only the last message is looked into: the time for 10 MB is far below that of decoding it."""
    turns = [user([text("long ago " * 1000)]) for _ in range(1100)]
    body = json.dumps({"model": "m", "messages": [*turns, user("now")]}).encode()
    begun = time.perf_counter()
    request = view(body)
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    json.loads(body)
    assert request.prompt == "now"
    assert took < time.perf_counter() - begun
