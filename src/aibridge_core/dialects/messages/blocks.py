"""The content blocks of an answer that carry facts: calls of tools, and thinking.

Belongs here: how a block is collected and what is recorded of it. Never: a block of text, or one that only a model
can read (`redacted_thinking`).
"""

from typing import Any

import msgspec
from attrs import Factory, define

from aibridge_core.dialects.jsontext import is_json, source_text, text_or
from aibridge_core.records import Fact, ModelThought, ToolUsage


class Content(msgspec.Struct):
    """A content block as it is sent, of any type."""

    type: Any = None
    id: Any = None
    name: Any = None
    server_name: Any = None
    input: msgspec.Raw = msgspec.Raw(b"")
    thinking: Any = None


class Delta(msgspec.Struct):
    """A part of a block that came later."""

    type: Any = None
    partial_json: Any = None
    thinking: Any = None


@define(kw_only=True)
class ToolBlock:
    """A call: of the client's tools (`tool_use`), or of one that the provider runs (`server_tool_use` and others)."""

    kind: str
    id: str
    name: str
    server_name: str
    input: str
    """As the block began: the whole of it in a blocking answer, `{}` as a placeholder in a stream."""
    closed: bool
    pieces: list[str] = Factory(list)

    def add(self, delta: Delta) -> None:
        """Take what a delta adds to the arguments."""
        if delta.type == "input_json_delta" and isinstance(delta.partial_json, str):
            self.pieces.append(delta.partial_json)

    def fact(self, response_id: str) -> Fact | None:
        """The call; arguments that were cut off (by `max_tokens`, or with the stream) stay as they are, marked."""
        arguments = "".join(self.pieces)
        if not arguments and (self.closed or self.input != "{}"):
            arguments = self.input
        whole = is_json(arguments) if arguments else self.closed
        labels = {"kind": self.kind, "server_name": self.server_name} if self.kind != "tool_use" else {}
        metadata = {name: value for name, value in labels.items() if value} | ({} if whole else {"partial": True})
        return ToolUsage(
            response_id=response_id, tool=self.name, tool_call_id=self.id, arguments=arguments, metadata=metadata
        )


@define(kw_only=True)
class ThinkingBlock:
    """Reasoning in plain text."""

    closed: bool
    pieces: list[str]

    def add(self, delta: Delta) -> None:
        """Take what a delta adds to the text; signatures are none."""
        if delta.type == "thinking_delta" and isinstance(delta.thinking, str):
            self.pieces.append(delta.thinking)

    def fact(self, response_id: str) -> Fact | None:
        """The thought; None if its text was left out, as newer models do."""
        text = "".join(self.pieces)
        metadata = {"source": "thinking"} | ({} if self.closed else {"partial": True})
        return ModelThought(response_id=response_id, content=text, metadata=metadata) if text else None


Block = ToolBlock | ThinkingBlock


def block_of(content: Content, *, closed: bool) -> Block | None:
    """The block that begins so (`closed`: and is whole); None if it carries no fact."""
    kind, name = text_or(content.type), text_or(content.name)
    if kind == "thinking":
        return ThinkingBlock(closed=closed, pieces=[text_or(content.thinking)])
    if not (kind == "tool_use" or kind.endswith("_tool_use")) or not name:
        return None
    return ToolBlock(
        kind=kind,
        id=text_or(content.id),
        name=name,
        server_name=text_or(content.server_name),
        input=source_text(content.input),
        closed=closed,
    )
