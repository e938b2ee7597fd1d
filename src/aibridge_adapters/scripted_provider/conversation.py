"""What every API's request has in common once its items are named: who spoke last, what came back, what it weighs.

Belongs here: rules over named items. Never: JSON of one API.

Tokens are counted by one rule, so that a test can rely on the numbers: four bytes of JSON are a token. What stood
before the model's latest answer is read from the cache, that answer is written to it, what came since is plain input.
In a conversation's first request all but the last item is written to the cache.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import takewhile
from typing import Any

import msgspec
from attrs import frozen

from aibridge_adapters.scripted_provider.values import Part, Text, Thought, Usage

BYTES_PER_TOKEN = 4

_ASIDES = ("<system-reminder>", "<environment_context>", "<user_instructions>", "<permissions", "<skills")
"""How texts begin that coding agents put into user messages beside what the user said."""


class InvalidRequest(Exception):
    """A body that the real API would refuse with 400: which parameter, and what is wrong with it."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


class Kind(Enum):
    """What an item of a conversation is."""

    PROMPT = "prompt"
    RESULT = "result"
    ANSWER = "answer"
    OTHER = "other"


@frozen
class Item:
    """One step of a conversation; `weight` in tokens."""

    kind: Kind
    text: str
    weight: int


def tokens(value: Any) -> int:
    """How many tokens a JSON value is counted as; none for nothing."""
    return -(-len(msgspec.json.encode(value)) // BYTES_PER_TOKEN) if value else 0


def last_prompt(items: Sequence[Item]) -> str:
    """The last thing the user said; empty if nothing."""
    return next((item.text for item in reversed(items) if item.kind is Kind.PROMPT), "")


def trailing_results(items: Sequence[Item]) -> Sequence[str]:
    """The tool results that the request ends with, in order."""
    spoken = [item for item in items if item.kind is not Kind.OTHER]
    return [item.text for item in takewhile(lambda item: item.kind is Kind.RESULT, reversed(spoken))][::-1]


def rounds(items: Sequence[Item]) -> int:
    """How often tool results came back since the last prompt; results in a row are one round."""
    spoken = [item.kind for item in items if item.kind is not Kind.OTHER]
    since = list(takewhile(lambda kind: kind is not Kind.PROMPT, reversed(spoken)))
    return sum(
        kind is Kind.RESULT and (place == 0 or since[place - 1] is not Kind.RESULT) for place, kind in enumerate(since)
    )


def input_usage(preamble: int, items: Sequence[Item]) -> Usage:
    """What a request costs. `preamble`: tokens of the system prompt and the tools."""
    answers = [place for place, item in enumerate(items) if item.kind is Kind.ANSWER]
    if not answers:
        fresh = items[-1].weight if items else 0
        return Usage(input=max(1, fresh), output=0, cache_write=preamble + _weight(items[:-1]))
    begin = end = answers[-1]
    while begin and items[begin - 1].kind is Kind.ANSWER:
        begin -= 1
    return Usage(
        input=max(1, _weight(items[end + 1 :])),
        output=0,
        cache_read=preamble + _weight(items[:begin]),
        cache_write=_weight(items[begin : end + 1]),
    )


def answer_usage(spent: Usage, parts: Sequence[Part]) -> Usage:
    """The whole usage of an answer, from what its request cost."""
    reasoning = sum(tokens(part.text) for part in parts if isinstance(part, Thought))
    said = sum(
        tokens(part.text if isinstance(part, Text) else [part.name, part.arguments])
        for part in parts
        if not isinstance(part, Thought)
    )
    return Usage(
        input=spent.input,
        cache_read=spent.cache_read,
        cache_write=spent.cache_write,
        output=max(1, said + reasoning),
        reasoning=reasoning,
    )


def text_of(content: Any) -> str:
    """The text in a message's content: a plain text, or a list of parts of which those with a `text` count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )


def user_text(content: Any) -> str:
    """What the user said in a message, without what the agent put beside it."""
    parts = [{"text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        return ""
    texts = (text_of([part]) for part in parts)
    return "\n".join(text for text in texts if text and not text.lstrip().startswith(_ASIDES))


def required(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field that the API insists on. Raises InvalidRequest."""
    if name not in body:
        raise InvalidRequest(name, "Field required")
    if not isinstance(body[name], kind):
        raise InvalidRequest(name, "Input has the wrong type")
    return body[name]


def member(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An optional object inside another; an empty one if it is absent or something else."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def objects(value: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """A list of JSON objects; none if it is absent. Raises InvalidRequest."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise InvalidRequest(name, "Input should be a list of objects")
    return value


def _weight(items: Sequence[Item]) -> int:
    return sum(item.weight for item in items)
