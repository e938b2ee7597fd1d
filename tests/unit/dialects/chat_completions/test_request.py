"""What is read off a chat completions request, and the one edit that it may get."""

import json
from typing import Any

import pytest

from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.dialects.chat_completions.request import read_request
from aibridge_core.errors import MalformedRequest

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
USER = {"role": "user", "content": "list the files"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}, {"id": "call_2"}]}


def request(*messages: Any, **more: Any) -> bytes:
    return json.dumps({"model": "gpt-5", "messages": messages, **more}).encode()


def test_a_request_is_known_by_model_stream_and_session() -> None:
    """Everything else in it is the provider's business."""
    view = read_request(request(USER, stream=True, prompt_cache_key="sess-1", future={"a": [1.0]}))
    assert (view.model, view.streaming, view.session_hint) == ("gpt-5", True, "sess-1")


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("hello", "hello"),
        ("", None),
        ([{"type": "text", "text": "one"}, IMAGE, {"type": "text", "text": "two"}, IMAGE], "two"),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": 2}, "three", None], "one"),
        ([{"type": "input_text", "text": "of another API"}], None),
        ([IMAGE], None),
        ([], None),
        (None, None),
        (7, None),
        ({"type": "text", "text": "no list"}, None),
    ],
)
def test_the_prompt_is_the_last_text_of_the_last_message(content: Any, prompt: str | None) -> None:
    """Odd content is no prompt, and no reason to refuse the request."""
    assert (
        read_request(request({"role": "system", "content": "be brief"}, {"role": "user", "content": content})).prompt
        == prompt
    )


@pytest.mark.parametrize(
    "messages",
    [
        [USER, {"role": "assistant", "content": "done"}],
        [USER, CALLS, {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"}],
        [{"role": "system", "content": "be brief"}],
        [USER, {"content": "nobody"}],
        [USER, "no message"],
        [],
    ],
)
def test_no_prompt_unless_the_user_spoke_last(messages: list[Any]) -> None:
    """The turns of a tool loop repeat the prompt; it is recorded with the request that brought it."""
    assert read_request(request(*messages)).prompt is None


def test_instructions_behind_the_last_turn_are_no_turn() -> None:
    """A reminder that a client adds hides neither the prompt nor the tool result in front of it."""
    reminder = {"role": "developer", "content": "stay in the folder"}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"}
    assert read_request(request(USER, reminder)).prompt == "list the files"
    assert read_request(request(USER, CALLS, result, reminder)).correlating_tool_call_id == "call_1"


def test_a_request_is_linked_by_the_last_tool_result() -> None:
    """Of parallel results any would do: all their calls were made by the same answer."""
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": ""} for n in (1, 2)]
    assert read_request(request(USER, CALLS, *results)).correlating_tool_call_id == "call_2"


@pytest.mark.parametrize("end", [USER, {"role": "tool", "tool_call_id": 5}, {"role": "tool"}, {"role": "function"}])
def test_no_link_without_a_tool_result_at_the_end(end: Any) -> None:
    """A result further up belongs to an earlier turn."""
    result = {"role": "tool", "tool_call_id": "call_1", "content": ""}
    assert read_request(request(USER, CALLS, result, end)).correlating_tool_call_id is None


@pytest.mark.parametrize("messages", [b"null", b"[]"])
def test_messages_may_be_missing_for_the_provider_to_judge(messages: bytes) -> None:
    """The gateway needs none."""
    assert read_request(b'{"model":"m","messages":' + messages + b"}").prompt is None
    assert read_request(b'{"model":"m"}').prompt is None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"model":"m"', "not valid JSON: Input data was truncated"),
        (b'{"model":"m",}', "not valid JSON: trailing comma in object (byte 13)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `model`"),
        (b'{"model":""}', "`model` is empty"),
        (b'{"model":" "}', "`model` is empty"),
        (b'{"model":5}', "Expected `str`, got `int` - at `$.model`"),
        (b'{"model":"m","stream":"yes"}', "got `str` - at `$.stream`"),
        (b'{"model":"m","messages":{}}', "got `object` - at `$.messages`"),
        (b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_what_and_where(body: bytes, complaint: str) -> None:
    """The client's developer sees the mistake in the message."""
    with pytest.raises(MalformedRequest) as refusal:
        read_request(body)
    assert complaint in refusal.value.message


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (b'"cut \\ud83d"', "cut �"),
        (b'"pair \\ud83d\\ude00, half \\ude00!"', "pair 😀, half �!"),
        (b'"backslash \\\\ud83d"', "backslash \\ud83d"),
        (b'"latin \xe9"', "latin �"),
    ],
)
def test_text_that_is_no_unicode_is_read_all_the_same(text: bytes, prompt: str) -> None:
    """Half an emoji or a file in Latin-1 is recorded with U+FFFD, and goes upstream as it came."""
    body = b'{"model":"m","messages":[{"role":"user","content":' + text + b"}]}"
    view = read_request(body)
    assert view.prompt == prompt
    assert view.body is body


def test_a_hundred_kilobytes_of_pictures_are_not_decoded() -> None:
    """Only the last message is looked at, and of it only what can be the prompt."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    content = [{"type": "text", "text": "what is it?"}, picture]
    assert read_request(request({"role": "user", "content": content})).prompt == "what is it?"


ASK = b'"stream_options":{"include_usage":true}'


@pytest.mark.parametrize(
    ("sent", "goes_up"),
    [
        (b'{"model":"m","stream":true}', b"{" + ASK + b',"model":"m","stream":true}'),
        (b' {\n "model": "m", "stream" :true }\n', b" {" + ASK + b',\n "model": "m", "stream" :true }\n'),
        (b'{"stream_options":null,"model":"m","stream":true}', b"{" + ASK + b',"model":"m","stream":true}'),
        (b'{"stream_options":{},"model":"m","stream":true}', b"{" + ASK + b',"model":"m","stream":true}'),
        (
            b'{"model":"m","stream":true,"stream_options":{ "include_usage" : false }}',
            b'{"model":"m","stream":true,"stream_options":{ "include_usage" : true }}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options": {"include_obfuscation":false} }',
            b'{"model":"m","stream":true,"stream_options": {"include_usage":true,"include_obfuscation":false} }',
        ),
        (
            b'{"stream_options":{"include_usage":true},"model":"m","stream":true,"stream_options":null}',
            b'{"stream_options":{"include_usage":true},"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"model":"m","stream":true,"stream\\u005foptions":{"include_us\\u0061ge":null}}',
            b'{"model":"m","stream":true,"stream\\u005foptions":{"include_us\\u0061ge":true}}',
        ),
        (
            b'{"model":"m","stream":true,"user":"\\ud83d \\"stream_options\\":{","stream_options":{}}',
            b'{"model":"m","stream":true,"user":"\\ud83d \\"stream_options\\":{",' + ASK + b"}",
        ),
    ],
)
def test_a_stream_is_asked_for_its_usage_by_a_splice(sent: bytes, goes_up: bytes) -> None:
    """Repeated and escaped names, odd spaces and everything else stay as the client wrote them."""
    interceptor = ChatCompletionsDialect().intercept(sent)
    assert interceptor.request.body == goes_up
    assert interceptor.edits_answers


@pytest.mark.parametrize(
    "sent",
    [
        b'{"model":"m"}',
        b'{"model":"m","stream":false,"stream_options":null}',
        b'{"model":"m","stream":null}',
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        b'{"model":"m","stream":true,"stream_options":null,"stream_options":{"include_usage":true}}',
        b'{"model":"m","stream":true,"stream_options":[]}',
        b'{"model":"m","stream":true,"stream_options":"usage"}',
        b'{"model":"m","stream":true,"stream_options":{"include_usage":"yes"}}',
    ],
)
def test_other_requests_go_up_as_they_came(sent: bytes) -> None:
    """Usage comes anyway, was asked for, or was asked for in a way that the provider has to judge."""
    interceptor = ChatCompletionsDialect().intercept(sent)
    assert interceptor.request.body is sent
    assert not interceptor.edits_answers
