"""Items of a Responses stream that have begun and not ended: kept in case the stream breaks off within them.

Belongs here: joining fragments. Never: what a complete item means (`items.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from aibridge_core.dialects.responses.items import Item, arguments_of, call, is_call
from aibridge_core.records import Fact, ModelThought

DELTAS: Mapping[bytes, str] = {
    b"response.function_call_arguments.delta": "",
    b"response.custom_tool_call_input.delta": "",
    b"response.mcp_call_arguments.delta": "",
    b"response.code_interpreter_call_code.delta": "",
    b"response.reasoning_summary_text.delta": "reasoning_summary",
    b"response.reasoning_text.delta": "reasoning",
    b"response.output_text.delta": "commentary",
}
"""Events with a piece of an item, and the source of the thought that it is a piece of."""


class Delta(msgspec.Struct, gc=False):
    """A piece of an item."""

    output_index: Any = None
    summary_index: Any = None
    content_index: Any = None
    delta: Any = None


class UnfinishedItem:
    """An item and its pieces, by the part they belong to."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._pieces: dict[tuple[str, Any, Any], list[str]] = {}

    def add(self, source: str, piece: Delta) -> None:
        """Take a piece."""
        if isinstance(piece.delta, str):
            part = (source, piece.summary_index, piece.content_index)
            self._pieces.setdefault(part, []).append(piece.delta)

    def facts(self, response_id: str) -> Iterator[Fact]:
        """What has come of it, marked as partial."""
        if is_call(self._item):
            pieces = [piece for part in self._pieces.values() for piece in part]
            yield call(self._item, response_id, "".join(pieces) or arguments_of(self._item), partial=True)
            return
        for (source, _, _), part in self._pieces.items():
            metadata = {"source": source, "partial": True}
            yield ModelThought(response_id=response_id, content="".join(part), metadata=metadata)
