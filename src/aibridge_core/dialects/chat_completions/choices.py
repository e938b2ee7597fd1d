"""What one choice of a chat answer says: its tool calls and its reasoning, put together from fragments.

Belongs here: the many ways in which OpenAI-compatible providers send a call. Never: chunks, usage, errors.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.chat_completions.chunks import CallPart, Delta, FunctionPart
from aibridge_core.dialects.jsontext import text_or
from aibridge_core.records import ModelThought, ToolUsage


class Choice:
    """One choice, fed with its deltas, or with its whole message."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self.touched: Sequence[Call] = ()
        """For each tool call in the last delta, in order: the call that it is, or is a piece of."""
        self._reasoning: list[str] = []
        self._calls: list[Call] = []
        self._by_index: dict[Any, Call] = {}
        self._legacy: Call | None = None

    def add(self, delta: Delta, *, whole: bool) -> bool:
        """Take what a delta holds; whether it held any facts.

        `whole`: it is a complete message, so that every call in it is another one.
        """
        # Some providers send the same text under two names.
        reasoning = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if reasoning and isinstance(reasoning, str):
            self._reasoning.append(reasoning)
        self.touched = [self._part(part, whole=whole) for part in delta.tool_calls or ()]
        if delta.function_call:
            if self._legacy is None:
                self._legacy = self._begin()
            self._legacy.add(delta.function_call)
        return bool(reasoning or self.touched or delta.function_call)

    @property
    def finished(self) -> bool:
        """Whether nothing more of it will come."""
        return bool(self.finish_reason)

    @property
    def begun(self) -> "Sequence[Call]":
        """Its calls so far."""
        return self._calls

    def thoughts(self, response_id: str, *, partial: bool) -> Iterator[ModelThought]:
        """Its reasoning, if it showed some."""
        if self._reasoning:
            metadata = {"source": "reasoning"} | _mark(partial and not self.finished)
            yield ModelThought(response_id=response_id, content="".join(self._reasoning), metadata=metadata)

    def calls(self, response_id: str, *, partial: bool) -> Iterator[ToolUsage]:
        """Its tool calls in the order in which they began."""
        for call in self._calls:
            arguments = "".join(call.arguments)
            if call.name or call.id or arguments:
                yield ToolUsage(
                    response_id=response_id,
                    tool=call.name,
                    tool_call_id=call.id,
                    arguments=arguments,
                    metadata=_mark(partial and not self.finished),
                )

    def _part(self, part: CallPart, *, whole: bool) -> "Call":
        function, call_id = part.function or part.custom, part.id
        numbered = type(part.index) is int
        call = self._by_index.get(part.index) if numbered else self._unnumbered(call_id)
        if whole or call is None or (call_id and call_id != call.id and call.names_another(function)):
            call = self._begin()
        if numbered:
            self._by_index[part.index] = call
        if call_id and not call.id:
            call.id = text_or(call_id)
        if function:
            call.add(function)
        return call

    def _unnumbered(self, call_id: Any) -> "Call | None":
        """The call that a fragment without an index goes on with: that of its id, else the last one."""
        same = next((call for call in self._calls if call_id and call.id == call_id), None)
        return same or (self._calls[-1] if self._calls else None)

    def _begin(self) -> "Call":
        call = Call()
        self._calls.append(call)
        return call


class Call:
    """A tool call, as far as it has come."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        """Pieces of their text."""
        self.beside: dict[str, Any] = {}
        """Members that only its provider knows."""

    def names_another(self, function: FunctionPart | None) -> bool:
        """Whether a fragment with another id than this call's begins a call of its own.

        A provider that gives every parallel call the same index still names each; one that makes up a new id for
        every fragment names only the first.
        """
        return bool(self.id and function and function.name)

    def add(self, function: FunctionPart) -> None:
        """Names come whole and are often repeated; arguments come in pieces."""
        if not self.name:
            self.name = text_or(function.name)
        arguments = function.input if function.arguments is None else function.arguments
        if isinstance(arguments, str):
            self.arguments.append(arguments)
        elif isinstance(arguments, dict | list):
            # Against the API, but seen: the arguments as an object instead of its text.
            self.arguments.append(msgspec.json.encode(arguments).decode())


def _mark(partial: bool) -> dict[str, Any]:
    return {"partial": True} if partial else {}
