"""Chunks that hold only text are passed over; what stands between them is not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.dialects.chat_completions.plain import PlainText
from unit.dialects.exchange import play

REQUEST = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
TRICKY = ['"', "\\", '\\"', '"}', '","reasoning":"hidden', '"}}],"usage":{"prompt_tokens":1}', "\n", "ü😀", "\x00"]
TEXTS = st.text(max_size=8) | st.sampled_from(TRICKY) | st.lists(st.sampled_from(TRICKY), max_size=4).map("".join)
SPACINGS = st.sampled_from([(",", ":"), (", ", ": ")])


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "model": "gpt-5", "choices": list(choices), **more}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": text, **more}, "finish_reason": None}


def called(arguments: str) -> dict[str, Any]:
    call = {"index": 0, "id": "call_1", "function": {"name": "read", "arguments": arguments}}
    return {"index": 0, "delta": {"content": "", "tool_calls": [call]}, "finish_reason": None}


def encoded(value: Any, spacing: tuple[str, str] = (",", ":")) -> bytes:
    return json.dumps(value, separators=spacing, ensure_ascii=False).encode()


def framed(value: Any, spacing: tuple[str, str]) -> bytes:
    return b"data: " + encoded(value, spacing) + b"\n\n"


STEPS = st.lists(st.tuples(st.sampled_from(["text", "reasoning", "arguments", "usage"]), TEXTS), max_size=12)


@given(STEPS, SPACINGS)
def test_text_hides_nothing_that_comes_between(steps: list[tuple[str, str]], spacing: tuple[str, str]) -> None:
    """Whatever the text looks like, every fragment of reasoning and arguments is kept, and the last usage."""
    chunks: list[Any] = []
    for number, (kind, text) in enumerate(steps):
        match kind:
            case "text":
                chunks.append(chunk(said(text)))
            case "reasoning":
                chunks.append(chunk(said("", reasoning=text)))
            case "arguments":
                chunks.append(chunk(called(text)))
            case _:
                chunks.append(chunk(said(text), usage={"prompt_tokens": 1, "completion_tokens": number}))
    body = b"".join(framed(each, spacing) for each in chunks) + b"data: [DONE]\n\n"
    outcome = play(ChatCompletionsDialect(), REQUEST, [body])
    reasoning = "".join(text for kind, text in steps if kind == "reasoning")
    arguments = [text for kind, text in steps if kind == "arguments"]
    counted = [number for number, (kind, _) in enumerate(steps) if kind == "usage"]
    assert "".join(content for _, content in outcome.thoughts) == reasoning
    assert [tool.arguments for tool in outcome.tools] == (["".join(arguments)] if arguments else [])
    assert [usage.output_tokens for usage in outcome.tokens] == counted[-1:]
    assert outcome.relayed == body


def test_another_text_is_recognised() -> None:
    """The same template with another text, an empty one included."""
    plain = PlainText()
    plain.learn(encoded(chunk(said("Hello"), system_fingerprint="fp")))
    assert all(plain.matches(encoded(chunk(said(text), system_fingerprint="fp"))) for text in ["", " you\n", "ü"])


@pytest.mark.parametrize(
    "other",
    [
        chunk(said("Hello"), usage={"prompt_tokens": 1}),
        chunk(said("Hello", reasoning="x")),
        chunk(said('"')),
        chunk({**said("Hello"), "finish_reason": "stop"}),
        chunk({**said("Hello"), "index": 1}),
        chunk(called("{}")),
    ],
)
def test_anything_else_is_not(other: Any) -> None:
    """Those are decoded."""
    plain = PlainText()
    plain.learn(encoded(chunk(said("Hi"))))
    assert not plain.matches(encoded(other))


@pytest.mark.parametrize("data", [b'{"content":"', b'{"content":"}', b'{"content":"\\"}', b'{"content":"a"b"}', b""])
def test_what_is_no_such_chunk_is_not_taken_for_one(data: bytes) -> None:
    """Cut short, with one quotation mark for both ends of the text, or with its end escaped."""
    plain = PlainText()
    plain.learn(b'{"content":"Hi"}')
    assert not plain.matches(data)


def test_templates_that_never_come_again_are_given_up() -> None:
    """A provider that puts something random into every chunk costs no more than a few looks."""
    plain = PlainText()
    for number in range(100):
        plain.learn(encoded(chunk(said("Hi"), obfuscation=str(number))))
    assert not plain.matches(encoded(chunk(said("Hi"), obfuscation="99")))
