"""The fields of chat completions answers that carry facts.

Belongs here: decoding, fast for what providers usually send and careful with what they sometimes do. Never: meaning.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from aibridge_core.dialects.jsontext import UNREADABLE, try_read_any


class FunctionPart(msgspec.Struct, gc=False):
    """What is called, or a piece of it."""

    name: Any = None
    arguments: Any = None
    input: Any = None
    """The `arguments` of a custom tool."""


class CallPart(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    index: Any = None
    id: Any = None
    function: FunctionPart | None = None
    custom: FunctionPart | None = None


class Delta(msgspec.Struct, gc=False):
    """A piece of a message, or a whole one. Its text is the answer itself, and not kept."""

    tool_calls: list[CallPart] | None = None
    function_call: FunctionPart | None = None
    reasoning_content: Any = None
    """DeepSeek, Qwen, Moonshot, vLLM. The API itself has no name for reasoning."""
    reasoning: Any = None
    """OpenRouter, Groq."""
    reasoning_text: Any = None
    """GitHub Copilot."""


class ChoicePart(msgspec.Struct, gc=False):
    """What a chunk (`delta`) or an answer (`message`) says of one choice."""

    index: Any = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: Any = None


class Answer(msgspec.Struct, gc=False):
    """A chunk or a whole answer."""

    id: Any = None
    model: Any = None
    choices: list[ChoicePart] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


_ANSWER = msgspec.json.Decoder(Answer)
_OBJECTS: Mapping[str, type[msgspec.Struct]] = {
    "delta": Delta,
    "message": Delta,
    "function_call": FunctionPart,
    "function": FunctionPart,
    "custom": FunctionPart,
}
_LISTS: Mapping[str, type[msgspec.Struct]] = {"choices": ChoicePart, "tool_calls": CallPart}
S = TypeVar("S", bound=msgspec.Struct)


def read_answer(data: bytes) -> Answer | None:
    """Decode a chunk or a whole answer; None if it is no JSON object. One odd field doesn't hide the others."""
    try:
        return _ANSWER.decode(data)
    except (*UNREADABLE, UnicodeDecodeError):
        return _salvage(Answer, try_read_any(data))


def _salvage(kind: type[S], value: Any) -> S | None:
    """A struct of those fields of an object that fit; None if `value` is no object."""
    if not isinstance(value, dict):
        return None
    return kind(**{name: _fitting(name, value[name]) for name in kind.__struct_fields__ if name in value})


def _fitting(name: str, value: Any) -> Any:
    if name in _OBJECTS:
        return _salvage(_OBJECTS[name], value)
    if name in _LISTS:
        parts = value if isinstance(value, list) else None
        return parts and [part for each in parts if (part := _salvage(_LISTS[name], each))]
    return value
