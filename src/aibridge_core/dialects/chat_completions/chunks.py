"""The fields of chat completions answers that carry facts.

Belongs here: decoding, fast for what providers usually send and careful with what they sometimes do. Never: meaning.
"""

from typing import Any, TypeVar

import msgspec

from aibridge_core.dialects.jsontext import UNREADABLE, try_read_any


class Delta(msgspec.Struct, gc=False):
    """A piece of a message, or a whole one. Its text is the answer itself, and not kept."""

    tool_calls: Any = None
    function_call: Any = None
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
S = TypeVar("S", bound=msgspec.Struct)


def read_answer(data: bytes) -> Answer | None:
    """Decode a chunk or a whole answer; None if it is no JSON object. One odd field doesn't hide the others."""
    try:
        return _ANSWER.decode(data)
    except (*UNREADABLE, UnicodeDecodeError):
        return _salvage(try_read_any(data))


def _salvage(value: Any) -> Answer | None:
    answer = _open(Answer, value)
    if answer:
        parts: Any = answer.choices
        found = [_open(ChoicePart, part) for part in parts] if isinstance(parts, list) else None
        answer.choices = [part for part in found if part] if found is not None else None
        for part in answer.choices or ():
            part.delta, part.message = _open(Delta, part.delta), _open(Delta, part.message)
    return answer


def _open(kind: type[S], value: Any) -> S | None:
    """A struct of an object's fields, whatever they hold; None if `value` is no object."""
    if not isinstance(value, dict):
        return None
    return kind(**{name: value[name] for name in kind.__struct_fields__ if name in value})
