"""What is read off a Responses request; its body goes upstream as it came."""

import json
from typing import Any

import pytest

from aibridge_core.dialects.responses import ResponsesDialect
from aibridge_core.dialects.responses.request import read_request
from aibridge_core.errors import MalformedRequest, NotSupported

USER = {"role": "user", "content": [{"type": "input_text", "text": "list the files"}]}
CALL = {"type": "function_call", "call_id": "call_1", "name": "ls", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"}
TOOLS = {"type": "additional_tools", "role": "developer", "tools": [{"type": "namespace", "name": "functions"}]}
REMINDER = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "stay in the folder"}]}


def request(given: Any, **more: Any) -> bytes:
    return json.dumps({"model": "gpt-6-sol", "input": given, **more}).encode()


def test_a_request_is_known_by_model_stream_and_session() -> None:
    """Everything else in it is the provider's business, and nothing in it is changed."""
    body = request(
        "hi", stream=True, prompt_cache_key="sess-1", stream_options={"include_obfuscation": False}, future=1
    )
    interceptor = ResponsesDialect().intercept(body)
    view = interceptor.request
    assert (view.model, view.streaming, view.session_hint) == ("gpt-6-sol", True, "sess-1")
    assert view.body is body
    assert not interceptor.edits_answers


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("tell me a joke", "tell me a joke"),
        ("", None),
        (None, None),
        ([], None),
        ([{"role": "user", "content": "hello"}], "hello"),
        ([{"type": "message", "role": "user", "content": ""}], None),
        ([USER], "list the files"),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "one"},
                        {"type": "input_image", "image_url": "data:"},
                        {"type": "input_text", "text": 2},
                        {"type": "output_text", "text": "x"},
                        "odd",
                        {"type": "input_text", "text": "three"},
                    ],
                }
            ],
            "one\nthree",
        ),
        ([{"role": "user", "content": [{"type": "input_text", "text": 123}]}], None),
        ([{"role": "user", "content": []}], None),
        ([{"role": "user", "content": None}], None),
        ([{"role": "user", "content": 123}], None),
        ([{"role": "user"}], None),
        (["odd"], None),
        ([USER, {"role": "assistant", "content": "done"}], None),
        ([USER, CALL, RESULT], None),
        ([USER, {"type": "item_reference", "id": "rs_1"}], None),
    ],
)
def test_the_prompt_is_all_text_of_the_users_last_item(given: Any, prompt: str | None) -> None:
    """Odd content is no prompt, and no reason to refuse the request."""
    assert read_request(request(given)).prompt == prompt


@pytest.mark.parametrize(
    "behind",
    [[TOOLS], [{"type": "additional_tools"}], [REMINDER], [REMINDER, TOOLS], [{"role": "system", "content": "x"}]],
)
def test_instructions_and_tools_behind_the_last_turn_are_no_turn(behind: list[Any]) -> None:
    """Codex sends some models their tools as an item; that hides neither a prompt nor a tool result."""
    assert read_request(request([USER, *behind])).prompt == "list the files"
    assert read_request(request([USER, CALL, RESULT, *behind])).prompt is None
    assert read_request(request([USER, CALL, RESULT, *behind])).correlating_tool_call_id == "call_1"
    assert read_request(request(behind)).prompt is None


@pytest.mark.parametrize(
    "kind",
    [
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "computer_call_output",
        "tool_search_output",
    ],
)
def test_a_request_is_linked_by_the_last_output_of_any_tool(kind: str) -> None:
    """Of parallel results any would do: all their calls were made by the same answer."""
    outputs = [{"type": kind, "call_id": f"call_{n}", "output": []} for n in (1, 2)]
    assert read_request(request([USER, CALL, *outputs])).correlating_tool_call_id == "call_2"


@pytest.mark.parametrize(
    "end", [USER, {"type": "function_call_output", "call_id": 5}, CALL, {"type": 3, "call_id": "x"}]
)
def test_no_link_without_an_output_at_the_end(end: Any) -> None:
    """A result further up belongs to an earlier turn."""
    assert read_request(request([USER, CALL, RESULT, end])).correlating_tool_call_id is None


def test_background_requests_are_refused_with_a_way_out() -> None:
    """Their answer would never pass through the gateway."""
    with pytest.raises(NotSupported, match=r"(?i)background requests are not supported.*Leave"):
        read_request(request("hi", background=True))
    for value in (False, None):
        assert read_request(request("hi", background=value)).prompt == "hi"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "empty"),
        (b'{"model":"m","input":"x}', "not valid JSON"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"input":"x"}', "missing required field `model`"),
        (b'{"model":"","input":"x"}', "`model` is empty"),
        (b'{"model":"m","input":5}', "Expected `str | array | null`, got `int` - at `$.input`"),
        (b'{"model":"m","input":{}}', "at `$.input`"),
        (b'{"model":"m","stream":1}', "at `$.stream`"),
        (b'{"model":"m","background":"no"}', "at `$.background`"),
        (b'{"model":"m","input":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "nested too deeply"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_what_and_where(body: bytes, complaint: str) -> None:
    """The client's developer sees the mistake in the message."""
    with pytest.raises(MalformedRequest) as refusal:
        read_request(body)
    assert complaint in refusal.value.message


@pytest.mark.parametrize(
    ("text", "prompt"),
    [(b'"cut \\ud83d"', "cut �"), (b'"pair \\ud83d\\ude00"', "pair 😀"), (b'"latin \xe9"', "latin �")],
)
def test_text_that_is_no_unicode_is_read_all_the_same(text: bytes, prompt: str) -> None:
    """As plain input or inside an item; it goes upstream as it came."""
    for given in (text, b'[{"role":"user","content":' + text + b"}]"):
        body = b'{"model":"m","input":' + given + b"}"
        view = read_request(body)
        assert view.prompt == prompt
        assert view.body is body
