"""A model's message as the next turn's request has to repeat it.

Belongs here: putting streamed deltas together again, whole: providers want their own fields back, too, such as
reasoning, or the signature of a call. Never: what is recorded of a message.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.chat_completions.choices import Call

_WHOLE = ("id", "type", "role", "name", "format", "index")
"""Texts that are repeated rather than continued."""
_OF_THE_CALL = ("index", "id", "type", "function")
"""What the reader of calls puts together; everything else of a call is kept beside it."""


class Message:
    """The message of one choice."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._others: dict[str, Any] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take a delta, apart from its calls."""
        for name, value in delta.items():
            if isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            elif name != "tool_calls":
                merge(self._others, {name: value})

    def source(self, calls: Sequence[Call]) -> bytes:
        """The whole message as JSON text."""
        texts = {name: "".join(pieces[:1] if name in _WHOLE else pieces) for name, pieces in self._texts.items()}
        said = self._others | {name: text for name, text in texts.items() if text}
        # Null stands for no text: some providers refuse an empty one.
        message = {"content": None, **said, "role": "assistant", "tool_calls": [_call(call) for call in calls]}
        return msgspec.json.encode(message)


def keep_beside(call: Call, part: Mapping[str, Any]) -> None:
    """Keep what a fragment of a call holds besides the call itself."""
    merge(call.beside, {name: value for name, value in part.items() if name not in _OF_THE_CALL})


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": "".join(call.arguments) or "{}"}
    return {"id": call.id, "type": "function", "function": function, **call.beside}


def merge(into: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Continue an object with a piece of it, as the official SDKs do: texts are joined, lists go by their `index`."""
    for name, value in delta.items():
        have = into.get(name)
        if isinstance(value, str) and isinstance(have, str):
            into[name] = (have or value) if name in _WHOLE else have + value
        elif isinstance(value, dict):
            into[name] = dict(have) if isinstance(have, dict) else {}
            merge(into[name], value)
        elif isinstance(value, list) and isinstance(have, list):
            into[name] = _merged(have, value)
        elif value is not None:
            into[name] = value


def _merged(have: Sequence[Any], items: Sequence[Any]) -> list[Any]:
    merged = list(have)
    for item in items:
        index = item.get("index") if isinstance(item, dict) else None
        same = next((each for each in merged if isinstance(each, dict) and each.get("index") == index), None)
        if index is not None and same is not None:
            merge(same, item)
        else:
            merged.append(item)
    return merged
